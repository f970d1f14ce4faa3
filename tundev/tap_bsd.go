//go:build freebsd || openbsd

package tundev

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A tapFile is the card of tap(4): each read and write is a frame.
type tapFile struct {
	file   *os.File
	called string // when it was opened
	lent   bool
	buf    []byte
}

func newTapFile(file *os.File, called string, lent bool) *tapFile {
	return &tapFile{file: file, called: called, lent: lent, buf: make([]byte, BufLen)}
}

func (t *tapFile) read(take func(frame []byte)) error {
	n, err := t.file.Read(t.buf)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	take(t.buf[:n])
	return err
}

func (t *tapFile) write(buf []byte) error {
	_, err := t.file.Write(buf[headroom:])
	for _, gone := range []error{fs.ErrClosed, unix.ENXIO, unix.EIO} {
		if errors.Is(err, gone) {
			return ErrDown
		}
	}
	return err
}
