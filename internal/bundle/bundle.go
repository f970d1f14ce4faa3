// Package bundle packs what somebody who helps needs to see into one file that can be attached to a
// message, and leaves out what nobody may see.
//
// Who gathers something for others, as the doctor and crash reports do, makes [File] values of it and
// calls [Pack]. Everything here may be called from any goroutine.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"regexp"
	"time"
)

// A Kind is how much of a file may be a secret.
type Kind uint8

// The kinds.
const (
	Written Kind = iota // by people, or a log: whatever is as long as a key may be one
	Made                // by the program: its long words are ids and names, and only what has a key's form is one
	Binary              // nothing is left out: who makes it sees to that
)

// A File is one that is packed.
type File struct {
	Name string // without directories
	Text []byte
	Kind Kind
}

// Pack makes a tar.gz file of files, in a directory dir, without what looks like a secret.
func Pack(dir string, files []File, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	out := tar.NewWriter(zip)
	for _, f := range files {
		text := f.Clean()
		err := out.WriteHeader(&tar.Header{
			Name: dir + "/" + f.Name, Mode: 0o600, Size: int64(len(text)),
			ModTime: at.Truncate(time.Second), // tar rounds, maybe into the future
		})
		if err == nil {
			_, err = out.Write(text)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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

// Clean is the file's text without what looks like a secret.
func (f File) Clean() []byte {
	text := f.Text
	leaveOut := func(all []*regexp.Regexp) {
		for _, s := range all {
			text = s.ReplaceAll(text, []byte("[left out]"))
		}
	}
	if f.Kind != Binary {
		leaveOut(secrets)
	}
	if f.Kind == Written {
		leaveOut(guesses)
	}
	return text
}
