//go:build !windows

package main

import (
	"context"
	"runtime"
)

// theServices is the manager of this machine; nil for none that we know.
func theServices() serviceManager { return theHost(runtime.GOOS, exists) }

// underManager runs a network. Managers here watch the process and need not be spoken to: what can be
// told to systemd goes another way.
func underManager(ctx context.Context, run func(ctx context.Context, up func(reload func())) error) error {
	return run(ctx, func(func()) {})
}
