package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A pair is a network measured in one direction.
type pair struct {
	name     string
	from, to *host
	tunnel   *tunnel
	junk     int // thousands of datagrams a second, in metrics with junk
}

// A builder makes the networks that the wanted pairs need and owns them.
type builder struct {
	ctx      context.Context
	work     string // a directory that is removed after the run
	options  options
	report   *report
	networks []*network
	pairs    []*pair
}

// build makes every tunnel with a pair that is wanted. A tunnel of others that cannot be had here
// is left out, and the report says so; one of the kernel's or ours is an error.
func (b *builder) build() error {
	want := b.options.pairs
	for i := range tunnels {
		t := &tunnels[i]
		if (b.options.profile != "" && !t.vxmesh) || !slices.ContainsFunc(t.pairs, want.MatchString) {
			continue
		}
		if b.ctx.Err() != nil {
			return errors.New("interrupted")
		}
		progress("build %s", t.pairs[0])
		err := b.add(t)
		if err != nil && !t.rival {
			return fmt.Errorf("%s: %w", t.pairs[0], err)
		}
		if err != nil {
			leaveOut(b.report, t.pairs[0], err)
		}
	}
	return b.checkPairs()
}

// checkPairs says why there is nothing to measure.
func (b *builder) checkPairs() error {
	if len(b.pairs) > 0 {
		return nil
	}
	if len(b.report.Left) > 0 {
		return errors.New("all that was to be measured is left out")
	}
	return fmt.Errorf("no pair that can be measured so has a name that matches %q", b.options.pairs)
}

func (b *builder) add(t *tunnel) error {
	for _, tool := range t.tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed (Debian: sudo make bench-deps)", tool)
		}
	}
	n, err := newNetwork(b.work)
	b.networks = append(b.networks, n)
	if err != nil {
		return err
	}
	if err := b.bringUp(t, n); err != nil {
		return err
	}
	for i, name := range t.pairs {
		if b.options.pairs.MatchString(name) {
			p := &pair{name, n.hosts[i], n.hosts[1-i], t, b.options.junk}
			b.pairs = append(b.pairs, p)
			b.report.describe(p, b.version(t))
		}
	}
	return nil
}

// bringUp returns when the tunnel is as it is to be measured.
func (b *builder) bringUp(t *tunnel, n *network) error {
	if err := t.up(b, n); err != nil {
		return err
	}
	if err := n.waitPing(); err != nil {
		return err
	}
	if t.settled != nil {
		if err := t.settled(n); err != nil {
			return err
		}
	}
	if t.off {
		if err := n.each((*host).overlayOffloadsOff); err != nil {
			return err
		}
	}
	if b.options.single() {
		return n.each((*host).singleDatagrams)
	}
	return nil
}

// version is what the program says about itself, or what it was built from.
func (b *builder) version(t *tunnel) string {
	if _, version, found := strings.Cut(t.module, "@"); found {
		return version
	}
	if len(t.about) == 0 {
		return ""
	}
	// Some end with an error after they have told.
	out, _ := exec.CommandContext(b.ctx, t.about[0], t.about[1:]...).CombinedOutput()
	return parseVersion(string(out))
}

// versionNumber is a word such as 1.0.36, v22 or v.1.3.2, and not the middle of a name.
var versionNumber = regexp.MustCompile(`\bv?\.?(\d[\w.]*)`)

// parseVersion finds the first version in what a program tells.
func parseVersion(text string) string {
	if m := versionNumber.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "unknown"
}

func (b *builder) close() {
	for _, n := range b.networks {
		n.close()
	}
}

// install builds the main package of a module, with the linker flags given, and returns the
// program.
func (b *builder) install(module, ldflags string) (string, error) {
	path, _, _ := strings.Cut(module, "@")
	file := filepath.Join(b.work, filepath.Base(path))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	cmd := exec.CommandContext(b.ctx, "go", "install", "-trimpath", "-ldflags", ldflags, module)
	cmd.Dir = b.work // outside our own module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+b.work, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s, which needs the network once: %w\n%s", module, err, out)
	}
	return file, nil
}
