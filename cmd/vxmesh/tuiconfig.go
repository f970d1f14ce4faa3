package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/ui/screen"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A tuiConfig is what a person wants of the terminal UI, in tui.toml.
type tuiConfig struct {
	Theme  string              `toml:"theme"`
	Mouse  *bool               `toml:"mouse"`
	Glyphs string              `toml:"glyphs"` // "auto", "unicode" or "ascii"
	Keys   map[string][]string `toml:"keys"`   // by action: see vxmesh tui --keys
}

func (c *tuiConfig) mouse() bool { return c.Mouse == nil || *c.Mouse }

// ascii reports whether only ASCII is to be drawn: on a console, or where the locale is not UTF-8.
func (c *tuiConfig) ascii() bool {
	switch c.Glyphs {
	case "ascii":
		return true
	case "unicode":
		return false
	}
	return os.Getenv("TERM") == "linux" || !speaksUTF8()
}

// tuiConfigPath is where the file is, whether it is there or not.
func tuiConfigPath() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(dir, "vxmesh", "tui.toml")
}

// readTUIConfig reads the file; none is the usual settings.
func readTUIConfig(path string) (*tuiConfig, error) {
	c := &tuiConfig{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	meta, err := toml.Decode(string(text), c)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, tuiConfigError(path, parse.Position.Line, parse.Message)
	}
	if err != nil {
		return nil, tuiConfigError(path, 1, err.Error())
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0].String()
		message := fmt.Sprintf("unknown key %q%s", key,
			suggest.DidYouMean(key, []string{"theme", "mouse", "glyphs", "keys"}))
		return nil, tuiConfigError(path, lineOf(string(text), unknown[0][len(unknown[0])-1]), message)
	}
	return c, c.check(path, string(text))
}

// check refuses actions that there are not, and keys that have two.
func (c *tuiConfig) check(path, text string) error {
	if c.Theme != "" {
		if _, err := view.ByName(c.Theme); err != nil {
			return tuiConfigError(path, lineOf(text, "theme"), err.Error())
		}
	}
	u := screen.New(screen.Options{})
	var ids []string
	for _, command := range u.Commands() {
		ids = append(ids, command.ID)
	}
	for id, keys := range c.Keys {
		known, taken := u.Bind(id, keys)
		switch {
		case !known:
			message := fmt.Sprintf("unknown action %q%s", id, suggest.DidYouMean(id, ids))
			return tuiConfigError(path, lineOf(text, id), message)
		case taken != nil:
			return tuiConfigError(path, lineOf(text, id), fmt.Sprintf("a key of %s is that of %s", id, taken.ID))
		}
	}
	return nil
}

func tuiConfigError(path string, line int, message string) error {
	return &cmdError{
		code: exitConfig, err: fmt.Errorf("%s:%d: %s", path, line, message),
		hints: []string{"vxmesh tui --keys prints all actions and their keys"},
	}
}

// lineOf finds the line that begins with a key, bare or quoted; 1 if there is none.
func lineOf(text, key string) int {
	for i, l := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(l, " \t\"'"), key); ok && strings.ContainsAny(rest, "=") {
			return i + 1
		}
	}
	return 1
}

// A tuiState is what the person chose last.
type tuiState struct {
	Theme string `json:"theme"`
	Page  string `json:"page"`
	Bytes bool   `json:"bytes"`
}

func tuiStatePath() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "vxmesh", "tui.json")
}

// lastTUI is what was chosen last; nothing when that cannot be read.
func lastTUI() (s tuiState) {
	text, err := os.ReadFile(tuiStatePath())
	if err != nil || json.Unmarshal(text, &s) != nil {
		return tuiState{}
	}
	return s
}

// rememberTUI keeps what was chosen. It is no loss when that cannot be done.
func rememberTUI(o screen.Options) {
	path := tuiStatePath()
	text, err := json.Marshal(tuiState{o.Look.Theme.String(), strings.ToLower(o.Page.String()), o.Look.Bytes})
	if path == "" || err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = atomicfile.Replace(path, append(text, '\n'))
}
