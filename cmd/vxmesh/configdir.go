package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// configDir is where the files of this machine's networks are.
func configDir() string {
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(os.Getenv("ProgramData"), "vxmesh")
	case "freebsd":
		return "/usr/local/etc/vxmesh"
	}
	return "/etc/vxmesh"
}

// ownConfigDir is where those of an ordinary user are, beside the machine's; "" for root.
func ownConfigDir() string {
	if forMachine() {
		return ""
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "" // nobody's home
	}
	return filepath.Join(base, "vxmesh", "networks") // tui.toml is above it
}

// configDirs are all that there are for this user, the own one first.
func configDirs() []string {
	if own := ownConfigDir(); own != "" {
		return []string{own, configDir()}
	}
	return []string{configDir()}
}

// newConfigPath is where the file of a new network goes. What needs no rights is the user's own.
func newConfigPath(network string, rootless bool) string {
	dir := configDir()
	if own := ownConfigDir(); rootless && own != "" {
		dir = own
	}
	return filepath.Join(dir, network+".toml")
}

// configPath is the file that arg means: a path when it looks like one, else that of the network
// with this name, the user's own before the machine's.
func configPath(arg string) string {
	switch {
	case arg == "-":
		return "<stdin>"
	case strings.ContainsAny(arg, `./\`):
		return arg
	}
	return configIn(configDirs(), arg+".toml")
}

// configIn is the file of that name in the first directory that has it, else where the last would have it.
func configIn(dirs []string, name string) (path string) {
	for _, dir := range dirs {
		path = filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	return path
}

// configFiles are the files that a command means when it names none: that of the network if there
// is one, which may be given as a path too, else all that are installed.
func configFiles(network string) (files []string, err error) {
	if network != "" {
		return []string{configPath(network)}, nil
	}
	if files = configsIn(configDirs()); len(files) == 0 {
		return nil, &cmdError{
			code: exitNotFound, err: fmt.Errorf("there is no network in %s", strings.Join(configDirs(), " or ")),
			hints: []string{"name a file"},
		}
	}
	return files, nil
}

// configsIn lists the files of directories; one in an earlier directory hides those of its name in later
// ones.
func configsIn(dirs []string) (files []string) {
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*.toml")) // the pattern is a good one
		for _, path := range found {
			hidden := func(f string) bool { return filepath.Base(f) == filepath.Base(path) }
			if !slices.ContainsFunc(files, hidden) {
				files = append(files, path)
			}
		}
	}
	return files
}
