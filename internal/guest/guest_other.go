//go:build !linux

package guest

import (
	"net/netip"
	"os"
)

// A Process would be the program in its namespace. This system has no such thing.
type Process struct{}

// Start gives [ErrSystem].
func Start(Options) (*Process, error) { return nil, ErrSystem }

// Main does nothing: there is no process in a namespace.
func Main() {}

func namespaceHints() []string { return nil }

// TAP is nil.
func (p *Process) TAP() *os.File { return nil }

// Begin gives [ErrSystem].
func (p *Process) Begin(Place) ([]netip.Prefix, error) { return nil, ErrSystem }

// SetCarrier gives [ErrSystem].
func (p *Process) SetCarrier(bool) error { return ErrSystem }

// Wait gives [ErrSystem].
func (p *Process) Wait() (int, error) { return 0, ErrSystem }

// Close does nothing.
func (p *Process) Close() {}

// Abandon does nothing.
func (p *Process) Abandon() {}
