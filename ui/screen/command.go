package screen

import (
	"slices"
	"strings"
)

// A Command is one thing that the UI can do. The table of them is what keys, help, palette and the line
// at the bottom are made of.
type Command struct {
	ID    string   // "peer.ping": its name in the file of keys
	Keys  []string // as [Key.Name]; the first is the one that is shown
	Name  string   // "ping all paths"
	Short string   // its name in the line at the bottom; "" = it is not there
	Page  Page     // where it works; Everywhere
	CLI   func(u *UI) string
	Run   func(u *UI) Effect
}

// Page is one of the screens.
type Page int

// The pages, in the order of their numbers.
const (
	Everywhere Page = iota - 1
	Overview
	Peers
	FDB
	Stats
	Map
	Log
	pages
)

// String is the page's title.
func (p Page) String() string {
	if p < 0 || p >= pages {
		return "Everywhere"
	}
	return [...]string{"Overview", "Peers", "FDB", "Stats", "Map", "Log"}[p]
}

// Commands gives all commands there are, those that work everywhere first.
func (u *UI) Commands() []*Command { return u.commands }

// Bind gives a command other keys. It reports the command that has one of them on the same page, if any.
func (u *UI) Bind(id string, keys []string) (known bool, taken *Command) {
	i := slices.IndexFunc(u.commands, func(c *Command) bool { return c.ID == id })
	if i < 0 {
		return false, nil
	}
	c := u.commands[i]
	for _, other := range u.commands {
		if other != c && (other.Page == c.Page || other.Page == Everywhere || c.Page == Everywhere) &&
			slices.ContainsFunc(other.Keys, func(k string) bool { return slices.Contains(keys, k) }) {
			return true, other
		}
	}
	c.Keys = keys
	return true, nil
}

// command finds what a key does on the page that is shown. The page's own commands come first.
func (u *UI) command(key string) *Command {
	var found *Command
	for _, c := range u.commands {
		if !slices.Contains(c.Keys, key) {
			continue
		}
		if c.Page == u.page {
			return c
		}
		if c.Page == Everywhere {
			found = c
		}
	}
	return found
}

// keyName is a key as it is shown: by its sign, or by its name where only ASCII is drawn.
func (u *UI) keyName(key string) string {
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "^" + rest
	}
	if sign := signs[key]; sign != "" && !u.Look.ASCII {
		return sign
	}
	return key
}

var signs = map[string]string{
	"enter": "⏎", "tab": "⇥", "shift+tab": "⇧⇥", "backspace": "⌫", "up": "↑", "down": "↓",
	"shift+up": "⇧↑", "shift+down": "⇧↓",
}
