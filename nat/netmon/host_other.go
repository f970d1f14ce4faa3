//go:build !(linux || darwin || freebsd || netbsd || openbsd || windows)

package netmon

import (
	"errors"
	"net"
)

// Of other systems only the interfaces are known, by looking.

func isTunnel(i net.Interface) bool { return isTunnelName(i.Name) }

func defaultRoutes() ([]defaultRoute, error) { return nil, nil }

func (host) watch() (watcher, error) { return nil, errors.ErrUnsupported }
