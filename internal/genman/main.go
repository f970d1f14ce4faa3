// Command genman writes the manual pages:
//
//	go run ./internal/genman ./vxmesh packaging/man/vxmesh.toml.5 dist/man
//
// It asks the program itself for its commands and for its commented config, so that a page says what
// the program does: one page of section 1 for each command, and vxmesh.toml(5), whose hand-written part
// is the file given. SOURCE_DATE_EPOCH is the pages' date, for builds that come out the same twice.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: genman PROGRAM VXMESH.TOML.5 DIRECTORY")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2], os.Args[3], date()); err != nil {
		fmt.Fprintln(os.Stderr, "genman:", err)
		os.Exit(1)
	}
}

// date is that of the pages.
func date() time.Time {
	if n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(n, 0).UTC()
	}
	return time.Now().UTC()
}

// generate writes all pages into a directory, which it makes.
func generate(program, template, dir string, at time.Time) error {
	out, err := exec.Command(program, "help", "--json").Output()
	if err != nil {
		return fmt.Errorf("%s help --json: %w", program, err)
	}
	var list struct {
		Version string
		Command command
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return fmt.Errorf("read commands: %w", err)
	}
	example, err := exec.Command(program, "config", "example").Output()
	if err != nil {
		return fmt.Errorf("%s config example: %w", program, err)
	}
	frame, err := os.ReadFile(template)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
	b := book{version: list.Version, date: at, global: list.Command.Flags}
	for name, text := range b.pages(list.Command) {
		if err := write(name, text); err != nil {
			return err
		}
	}
	text, err := configPage(string(frame), string(example), at)
	if err != nil {
		return err
	}
	return write("vxmesh.toml.5", text)
}
