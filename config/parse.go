package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxSize is far more than any real file needs and keeps a wrong path from filling the memory.
const maxSize = 1 << 20

// Load reads and checks the file at path. When the contents are at fault the error is an [Errors].
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	return Read(path, f)
}

// LoadPart is [Load] for whoever needs but some of the tables: it reports nothing that is wrong
// elsewhere, and of the Config nothing else may be used.
func LoadPart(path string, tables ...string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	text, err := readAll(f)
	if err != nil {
		return nil, err
	}
	d, cfg := parse(path, text)
	if cfg != nil {
		d.problems = slices.DeleteFunc(d.problems, func(p Problem) bool {
			table, _, _ := strings.Cut(p.Key, ".")
			return !slices.Contains(tables, table)
		})
	}
	return d.result(cfg)
}

// Read reads and checks a file that is open already, up to where it is too large to be one; name
// is what problems call it. When the contents are at fault the error is an [Errors].
func Read(name string, r io.Reader) (*Config, error) {
	text, err := readAll(r)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return text, nil
}

// Parse checks the text of a file; name is what problems call it. It reports everything wrong at
// once, as an [Errors], and then gives no Config.
func Parse(name string, text []byte) (*Config, error) {
	d, cfg := parse(name, text)
	return d.result(cfg)
}

// result is the Config unless there are problems.
func (d *document) result(cfg *Config) (*Config, error) {
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, d.problems
	}
	return cfg, nil
}

// parse decodes and checks against the schema alone. The Config is nil when the text is no TOML;
// when there are other problems, it holds what could be read.
func parse(name string, text []byte) (*document, *Config) {
	d := newDocument(name, string(text), reflect.TypeFor[Config]())
	cfg := Default()
	if !d.fill(cfg) {
		return d, nil
	}
	d.check(cfg)
	return d, cfg
}

// fill reads the text into what to points to, a struct of the document's schema. ok is false when it is no
// TOML.
func (d *document) fill(to any) (ok bool) {
	raw, ok := d.decodeTOML()
	if !ok {
		return false
	}
	d.root = locate(d.text)
	d.table(reflect.ValueOf(to).Elem(), raw, d.root, "")
	return true
}

// decodeTOML turns the text into a generic tree. The decoder stops at the first mistake in the
// syntax, so there is at most one.
func (d *document) decodeTOML() (map[string]any, bool) {
	if len(d.text) > maxSize {
		d.add(span{}, "", "", "the file is larger than 1 MiB; is it the right one?")
		return nil, false
	}
	if !utf8.ValidString(d.text) {
		i := invalidUTF8(d.text)
		d.add(span{i, i + 1}, "", "", "the file is not UTF-8 text")
		return nil, false
	}
	if at, deep := tooDeep(d.text); deep {
		d.add(at, "", "", fmt.Sprintf("tables and lists are nested more than %d deep", maxDepth))
		return nil, false
	}
	var raw map[string]any
	_, err := toml.Decode(d.text, &raw)
	if err == nil {
		return raw, true
	}
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		d.add(span{}, "", "", err.Error())
		return nil, false
	}
	start := max(0, pe.Position.Start)
	d.add(span{start, start + pe.Position.Len}, "", "", tidy(pe.Message))
	return nil, false
}

// tidy makes the decoder's messages look like ours: one line, lower case, no full stop.
func tidy(message string) string {
	message = strings.TrimSuffix(message, ".")
	if r, n := utf8.DecodeRuneInString(message); n < len(message) && unicode.IsUpper(r) {
		next, _ := utf8.DecodeRuneInString(message[n:])
		if !unicode.IsUpper(next) { // not an abbreviation
			message = string(unicode.ToLower(r)) + message[n:]
		}
	}
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(message)
}

// invalidUTF8 is the offset of the first byte that does not belong to a character.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			return i
		}
	}
	return len(s)
}
