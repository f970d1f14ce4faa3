package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A packed is a file of the bundle.
type packed struct {
	name string
	text []byte
}

// pack writes the bundle, for its owner alone: it has no keys, but everybody's addresses.
func (d *doctor) pack(ctx context.Context, p *patient, r doctorReport) error {
	files := []packed{jsonFile("doctor", r), jsonFile("version", thisVersion())}
	files = append(files, p.packConfig()...)
	files = append(files, p.packNode(ctx)...)
	for _, args := range [][]string{{"addr"}, {"link", "show"}, {"route", "show", "table", "all"}, {"rule"}} {
		out, err := p.sys.run(ctx, "ip", append([]string{"-d"}, args...)...)
		if err != nil {
			out = fmt.Appendf(nil, "%v\n", err)
		}
		files = append(files, packed{"ip-" + args[0] + ".txt", out})
	}
	var b bytes.Buffer
	if err := tarFiles(&b, files, p); err != nil {
		return err
	}
	if err := atomicfile.Replace(d.bundle, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", d.bundle, atomicfile.Reason(err))
	}
	return os.Chmod(d.bundle, 0o600)
}

func tarFiles(b *bytes.Buffer, files []packed, p *patient) error {
	zip := gzip.NewWriter(b)
	out := tar.NewWriter(zip)
	for _, f := range files {
		text := withoutSecrets(f)
		err := out.WriteHeader(&tar.Header{
			Name: "vxmesh/" + f.name, Mode: 0o600, Size: int64(len(text)),
			ModTime: p.sys.now().Truncate(time.Second), // tar rounds, maybe into the future
		})
		if err == nil {
			_, err = out.Write(text)
		}
		if err != nil {
			return fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// packConfig is the file as it stands, without secrets. None of its keys is one, but people write
// where they should not.
func (p *patient) packConfig() []packed {
	if p.path == "" {
		return nil
	}
	text, err := p.sys.readFile(p.path)
	if err != nil {
		text = fmt.Appendf(nil, "# %v\n", err)
	}
	return []packed{{"config.toml", text}}
}

// packNode is what the node says; nothing without one.
func (p *patient) packNode(ctx context.Context) []packed {
	if p.node == nil {
		return nil
	}
	c := p.client
	files := []packed{
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
	return append(files, packed{"log.txt", lines.Bytes()})
}

// asked is an answer of the node, or why there is none.
func asked[T any](name string, ctx context.Context, ask func(context.Context) (T, error)) packed {
	v, err := ask(ctx)
	if err != nil {
		return jsonFile(name, reportOf(err))
	}
	return jsonFile(name, v)
}

func jsonFile(name string, v any) packed {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		text = fmt.Appendf(nil, "%q", err.Error())
	}
	return packed{name + ".json", append(text, '\n')}
}

// What looks like a secret: an invitation, and a private key in one of its spellings. Public keys go
// with them: they look the same.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)vxm1[a-z2-7]{8,}`),
	regexp.MustCompile(`(?s)-----BEGIN [^-]*-----.*?-----END [^-]*-----`),
	regexp.MustCompile(`[A-Za-z0-9+/]{43}=`),
	regexp.MustCompile(`AGE-SECRET-KEY-[A-Z0-9]+`),
}

// What may be one in what people write themselves, and in logs: whatever is as long as 32 bytes are,
// and what stands behind a word for it.
var guesses = []*regexp.Regexp{
	regexp.MustCompile(`[A-Za-z0-9+/_-]{43,}={0,2}`),
	regexp.MustCompile(`(?im)(?:password|passphrase|secret|seed|token|private[ _-]?key)\w*["']?\s*[=:]\s*.+$`),
}

// withoutSecrets leaves out of a file what looks like one. What the node answers is left as it is but
// for that: its long numbers are the ids of nodes.
func withoutSecrets(f packed) []byte {
	text := f.text
	leaveOut := func(all []*regexp.Regexp) {
		for _, s := range all {
			text = s.ReplaceAll(text, []byte("[left out]"))
		}
	}
	leaveOut(secrets)
	if !strings.HasSuffix(f.name, ".json") {
		leaveOut(guesses)
	}
	return text
}
