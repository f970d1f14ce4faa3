package control_test

import (
	"errors"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// TestListenWithoutRight says what to do. In /sys nobody may make a file, not even root.
func TestListenWithoutRight(t *testing.T) {
	_, err := control.Listen("/sys/kernel/vxmesh.sock", "")
	e, ok := errors.AsType[*control.Error](err)
	if !ok || e.Code != control.CodePermission || len(e.Fix) == 0 {
		t.Errorf("%#v", err)
	}
}
