package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/internal/bundle"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// pack writes the bundle, for its owner alone: it has no keys, but everybody's addresses.
func (d *doctor) pack(ctx context.Context, p *patient, r doctorReport) error {
	files := []bundle.File{jsonFile("doctor", r), jsonFile("version", thisVersion())}
	files = append(files, p.packConfig()...)
	files = append(files, p.packNode(ctx)...)
	for _, args := range [][]string{{"addr"}, {"link", "show"}, {"route", "show", "table", "all"}, {"rule"}} {
		out, err := p.sys.run(ctx, "ip", append([]string{"-d"}, args...)...)
		if err != nil {
			out = fmt.Appendf(nil, "%v\n", err)
		}
		files = append(files, bundle.File{Name: "ip-" + args[0] + ".txt", Text: out})
	}
	packed, err := bundle.Pack("vxmesh", files, p.sys.now())
	if err != nil {
		return err
	}
	if err := atomicfile.Replace(d.bundle, packed); err != nil {
		return fmt.Errorf("write %s: %w", d.bundle, atomicfile.Reason(err))
	}
	return os.Chmod(d.bundle, 0o600)
}

// packConfig is the file as it stands, without secrets. None of its keys is one, but people write
// where they should not.
func (p *patient) packConfig() []bundle.File {
	if p.path == "" {
		return nil
	}
	text, err := p.sys.readFile(p.path)
	if err != nil {
		text = fmt.Appendf(nil, "# %v\n", err)
	}
	return []bundle.File{{Name: "config.toml", Text: text}}
}

// packNode is what the node says; nothing without one.
func (p *patient) packNode(ctx context.Context) []bundle.File {
	if p.node == nil {
		return nil
	}
	c := p.client
	files := []bundle.File{
		asked("status", ctx, c.Status), asked("peers", ctx, c.Peers), asked("stats", ctx, c.Stats),
		asked("members", ctx, func(ctx context.Context) (control.Members, error) {
			m, err := c.Members(ctx)
			for i := range m.Members {
				m.Members[i].Certificate = nil
			}
			return m, err
		}),
		asked("fdb", ctx, func(ctx context.Context) (control.FDB, error) { return c.FDB(ctx, control.FDBFilter{}) }),
	}
	if p.net != nil {
		files = append(files, jsonFile("netcheck", p.net))
	}
	var whys []control.Why
	for _, peer := range p.node.Peers {
		if w, err := c.Why(ctx, peer.Name); err == nil {
			whys = append(whys, w)
		}
	}
	files = append(files, jsonFile("why", whys))
	var lines bytes.Buffer
	for record, err := range c.Log(ctx, control.LogOptions{}) {
		if err != nil {
			fmt.Fprintln(&lines, err)
			break
		}
		fmt.Fprintln(&lines, recordText(record))
	}
	return append(files, bundle.File{Name: "log.txt", Text: lines.Bytes()})
}

// asked is an answer of the node, or why there is none.
func asked[T any](name string, ctx context.Context, ask func(context.Context) (T, error)) bundle.File {
	v, err := ask(ctx)
	if err != nil {
		return jsonFile(name, reportOf(err))
	}
	return jsonFile(name, v)
}

func jsonFile(name string, v any) bundle.File {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text = fmt.Appendf(nil, "%q", err.Error())
	}
	return bundle.File{Name: name + ".json", Text: append(text, '\n'), Kind: bundle.Made}
}
