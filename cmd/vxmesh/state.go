package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vxmesh/vxmesh/config"
)

// stateDir is where a network keeps what has to survive a restart.
func stateDir(cfg *config.Config) string {
	if cfg.Network.State != "auto" {
		return cfg.Network.State
	}
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib/vxmesh", cfg.Network.Name)
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "vxmesh", cfg.Network.Name)
}

// A seed is the secret that the devices' MAC addresses are derived from: random, made on first
// start, the same ever after.
type seed struct {
	bytes []byte
	file  *os.File // keeps the lock
}

const seedLen = 32

// maxSeeds bounds how many nodes may share one state directory.
const maxSeeds = 16

// openSeed reads the seed in dir, or makes it. Two nodes that share a directory, as in namespaces
// of one machine, must not have one address: the second to come finds the first seed locked and
// takes the next.
func openSeed(dir string) (*seed, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	for i := range maxSeeds {
		name := "seed"
		if i > 0 {
			name = fmt.Sprintf("seed-%d", i+1)
		}
		s, err := takeSeed(filepath.Join(dir, name))
		if errors.Is(err, errLocked) {
			continue
		}
		return s, err
	}
	return nil, fmt.Errorf("more than %d nodes share the state directory %s: "+
		"give each its own with network.state", maxSeeds, dir)
}

// errLocked says that another node uses a seed.
var errLocked = errors.New("in use by another node")

func takeSeed(path string) (*seed, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open seed: %w", err)
	}
	s := &seed{file: f}
	if err := s.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read seed %s: %w", path, err)
	}
	return s, nil
}

// read locks the file and reads it. One that is not whole, because a first start was cut short,
// is written anew.
func (s *seed) read() error {
	if err := lockFile(s.file); err != nil {
		return err
	}
	s.bytes = make([]byte, seedLen)
	if _, err := io.ReadFull(s.file, s.bytes); err == nil {
		return nil
	}
	if _, err := rand.Read(s.bytes); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(s.bytes, 0); err != nil {
		return err
	}
	return s.file.Sync()
}

// close lets another node use the seed.
func (s *seed) close() {
	if s != nil {
		s.file.Close()
	}
}
