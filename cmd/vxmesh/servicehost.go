package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/packaging"
)

// A host is a manager that is told by files and commands what to do.
type host struct {
	hostKind
	root    string // before every path; "" but in tests
	program string // this one
	run     func(ctx context.Context, name string, args ...string) (output []byte, err error)
}

// A hostKind is how a manager wants to be told. In paths, texts and commands UNIT stands for the
// service, NETWORK for the network, FILE for what runs it.
type hostKind struct {
	called   string
	service  string            // what it calls a network's
	spelled  *strings.Replacer // of the network in that; nil: as it is
	file     string            // what runs a network: one file for all of them, or one for each
	mode     fs.FileMode
	template string   // of the file, in packaging.Files
	packaged string   // where the template has the program
	shipped  []string // where packages put the file, which then need not be written
	link     string   // a link to the file, for each network; "" for none
	before   [][]string
	enable   [][]string // the last starts it
	disable  [][]string
	begin    []string
	end      []string
	running  []string // ends with 0 when the service runs
	enabled  string   // is there when the service is enabled; "": ask does tell
	ask      []string // prints the networks that are enabled
	others   string   // a pattern of what other services of ours leave, for which a shared file stays
	why      string   // shows why a service does not start
}

// newHost makes the manager of this machine.
func newHost(kind hostKind) *host {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		self = kind.packaged
	}
	return &host{
		hostKind: kind, program: self,
		run: func(ctx context.Context, name string, args ...string) ([]byte, error) {
			return exec.CommandContext(ctx, name, args...).CombinedOutput()
		},
	}
}

func (h *host) name() string { return h.called }

func (h *host) unit(network string) string {
	if h.spelled != nil {
		network = h.spelled.Replace(network)
	}
	return strings.ReplaceAll(h.service, "NETWORK", network)
}

// fill puts a network in its places.
func (h *host) fill(text, network string) string {
	file := strings.ReplaceAll(h.file, "UNIT", h.unit(network))
	return strings.NewReplacer("UNIT", h.unit(network), "NETWORK", network, "FILE", h.root+file).Replace(text)
}

func (h *host) path(text, network string) string { return h.root + h.fill(text, network) }

// shared reports whether one file runs all networks.
func (h *host) shared() bool { return h.fill(h.file, "a") == h.fill(h.file, "b") }

func (h *host) ready() bool {
	return h.shared() && slices.ContainsFunc(append([]string{h.file}, h.shipped...), func(path string) bool {
		return !missing(h.root + path)
	})
}

func (h *host) install(ctx context.Context, network string) (wrote []string, err error) {
	if !h.ready() {
		file, err := h.write(network)
		if err != nil {
			return nil, err
		}
		wrote = append(wrote, file)
		if err := h.all(ctx, network, h.before); err != nil {
			return wrote, err
		}
	}
	if h.link != "" {
		link := h.path(h.link, network)
		if err := os.Symlink(filepath.Base(h.file), link); err == nil {
			wrote = append(wrote, link)
		} else if !errors.Is(err, fs.ErrExist) {
			return wrote, setupError(err)
		}
	}
	return wrote, h.all(ctx, network, h.enable)
}

// writtenMark tells the files that are ours to remove from those of packages and of people.
const writtenMark = "written by `vxmesh service install`"

// write writes what runs a network.
func (h *host) write(network string) (path string, err error) {
	if err := h.reachable(); err != nil {
		return "", err
	}
	text, err := packaging.Files.ReadFile(h.template)
	if err != nil {
		return "", err
	}
	text = bytes.ReplaceAll(text, []byte(h.packaged), []byte(h.program))
	text = bytes.ReplaceAll(text, []byte("NETWORK"), []byte(network))
	if bytes.HasPrefix(text, []byte("<?xml")) {
		text = fmt.Appendf(text, "<!-- %s -->\n", writtenMark)
	} else {
		text = fmt.Appendf(text, "# %s\n", writtenMark)
	}
	path = h.path(h.file, network)
	if ours, err := h.wrote(path); err != nil || !ours && !missing(path) {
		return "", &cmdError{
			code: exitConflict, err: fmt.Errorf("there is a file %s that somebody else wrote", path),
			hints: []string{"remove it, or have it run the network itself"},
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", setupError(err)
	}
	if err := os.WriteFile(path, text, h.mode); err != nil {
		return "", setupError(err)
	}
	return path, setupError(os.Chmod(path, h.mode))
}

// reachable refuses a program where the service would not find it, or where anybody could change it.
func (h *host) reachable() error {
	for _, dir := range []string{"/home/", "/root/", "/tmp/", "/var/tmp/", "/run/", "/Users/"} {
		if strings.HasPrefix(h.program, dir) {
			return &cmdError{
				code: exitFailed, err: fmt.Errorf("a service cannot use the program in %s", filepath.Dir(h.program)),
				hints: []string{
					fmt.Sprintf("put it elsewhere   sudo install -m 755 %s /usr/local/bin/vxmesh", h.program),
					"then               sudo /usr/local/bin/vxmesh service install NETWORK",
				},
			}
		}
	}
	return nil
}

// wrote reports whether a file is one of ours.
func (h *host) wrote(path string) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return bytes.Contains(text, []byte(writtenMark)), setupError(err)
}

func (h *host) uninstall(ctx context.Context, network string) (removed []string, err error) {
	installed, running, err := h.status(ctx, network)
	if err == nil && (installed || running) {
		err = h.all(ctx, network, h.disable)
	}
	if err != nil {
		return nil, err
	}
	var files []string
	if h.link != "" {
		files = append(files, h.path(h.link, network))
	}
	path := h.path(h.file, network)
	if ours, err := h.wrote(path); err != nil {
		return nil, err
	} else if ours && !h.used() {
		files = append(files, path)
	}
	for _, f := range files {
		if err := os.Remove(f); err == nil {
			removed = append(removed, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return removed, setupError(err)
		}
	}
	if len(removed) > 0 {
		err = h.all(ctx, network, h.before)
	}
	return removed, err
}

// used reports whether a shared file runs other networks.
func (h *host) used() bool {
	if !h.shared() || h.others == "" {
		return false
	}
	left, err := filepath.Glob(h.root + h.others)
	return err != nil || len(left) > 0
}

func (h *host) start(ctx context.Context, network string) error { return h.do(ctx, network, h.begin) }
func (h *host) stop(ctx context.Context, network string) error  { return h.do(ctx, network, h.end) }

func (h *host) status(ctx context.Context, network string) (installed, running bool, err error) {
	switch {
	case h.enabled != "":
		_, err := os.Lstat(h.path(h.enabled, network))
		installed = err == nil
	case len(h.ask) > 0:
		output, err := h.run(ctx, h.ask[0], h.ask[1:]...)
		installed = err == nil && slices.Contains(strings.Fields(string(output)), network)
	}
	_, err = h.run(ctx, h.running[0], h.filled(network, h.running[1:])...)
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return installed, false, err
	}
	return installed, err == nil, nil
}

func (h *host) filled(network string, args []string) []string {
	filled := make([]string, len(args))
	for i, a := range args {
		filled[i] = h.fill(a, network)
	}
	return filled
}

func (h *host) all(ctx context.Context, network string, commands [][]string) error {
	for _, c := range commands {
		if err := h.do(ctx, network, c); err != nil {
			return err
		}
	}
	return nil
}

// do runs one command. What it says is a part of the error.
func (h *host) do(ctx context.Context, network string, command []string) error {
	output, err := h.run(ctx, command[0], h.filled(network, command[1:])...)
	if err == nil {
		return nil
	}
	if said := strings.TrimSpace(string(output)); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return &cmdError{
		code: exitFailed, err: fmt.Errorf("service %s: %s: %w", h.unit(network), command[0], err),
		hints: []string{
			"see why             " + h.fill(h.why, network),
			"find what is wrong  vxmesh doctor " + network,
			"run it here         sudo vxmesh join " + network,
		},
	}
}
