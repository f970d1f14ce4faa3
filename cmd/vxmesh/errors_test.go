package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func TestPrintError(t *testing.T) {
	tap := errors.New("cannot create tap device vxm0: operation not permitted")
	for _, c := range []struct {
		name string
		err  error
		code int
		text string
		json string
	}{
		{"none", nil, exitOK, "", ""},
		{"said already", &cmdError{code: exitDegraded}, exitDegraded, "", ""},
		{
			"plain", errors.New("it broke"), exitFailed, "vxmesh: it broke\n",
			`{"error":{"code":"failed","message":"it broke","fix":[],"details":[],"exit":1}}`,
		},
		{
			"hints", fmt.Errorf("join: %w", &cmdError{exitPermission, tap, []string{"a", "b", "c", "d"}}),
			exitPermission,
			"vxmesh: join: cannot create tap device vxm0: operation not permitted\n  a\n  b\n  c\n",
			`{"error":{"code":"permission",` +
				`"message":"join: cannot create tap device vxm0: operation not permitted",` +
				`"fix":["a","b","c","d"],"details":[],"exit":4}}`,
		},
		{
			"refused by the node",
			&control.Error{Code: control.CodeNotFound, Message: "no VNI 7", Fix: []string{"add it"}},
			exitNotFound, "vxmesh: no VNI 7\n  add it\n",
			`{"error":{"code":"not_found","message":"no VNI 7","fix":["add it"],"details":[],"exit":6}}`,
		},
		{
			"from the system", fmt.Errorf("open x: %w", fs.ErrPermission), exitPermission,
			"vxmesh: open x: permission denied\n",
			`{"error":{"code":"permission","message":"open x: permission denied",` +
				`"fix":[],"details":[],"exit":4}}`,
		},
		{
			"config of the node",
			&control.Error{
				Code: control.CodeConfig, Message: "home.toml has 1 error",
				Details: []string{"home.toml:1:1: error: x"},
			},
			exitConfig, "home.toml:1:1: error: x\nvxmesh: home.toml has 1 error\n",
			`{"error":{"code":"config","message":"home.toml has 1 error","fix":[],` +
				`"details":["home.toml:1:1: error: x"],"exit":3}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text, data strings.Builder
			if code := printError(&text, c.err, false); code != c.code || text.String() != c.text {
				t.Errorf("code %d and %q, want %d and %q", code, text.String(), c.code, c.text)
			}
			code := printError(&data, c.err, true)
			if got := strings.TrimSuffix(data.String(), "\n"); code != c.code || got != c.json {
				t.Errorf("code %d and %s, want %d and %s", code, got, c.code, c.json)
			}
		})
	}
}

// TestExitCodes keeps the codes of this program and those of the control API the same.
func TestExitCodes(t *testing.T) {
	for code, name := range codeNames {
		if name.Exit() != code {
			t.Errorf("%s is %d here and %d in the API", name, code, name.Exit())
		}
	}
}
