package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// ErrNoNode is wrapped by what a [Client] returns when nobody answers on its socket.
var ErrNoNode = errors.New("no node answers")

// ErrInUse is wrapped by what [Listen] returns when a live node holds the socket.
var ErrInUse = errors.New("another vxmesh already runs")

// A Code classes an [Error]; each has an exit code of the program and an HTTP status.
type Code string

// The codes.
const (
	CodeFailed     Code = "failed"
	CodeUsage      Code = "usage"
	CodeConfig     Code = "config"
	CodePermission Code = "permission"
	CodeNoNode     Code = "no_node"
	CodeNotFound   Code = "not_found"
	CodeTimeout    Code = "timeout"
	CodeConflict   Code = "conflict"
)

var codes = map[Code]struct{ exit, status int }{
	CodeFailed:     {1, http.StatusInternalServerError},
	CodeUsage:      {2, http.StatusBadRequest},
	CodeConfig:     {3, http.StatusUnprocessableEntity},
	CodePermission: {4, http.StatusForbidden},
	CodeNoNode:     {5, http.StatusServiceUnavailable},
	CodeNotFound:   {6, http.StatusNotFound},
	CodeTimeout:    {7, http.StatusGatewayTimeout},
	CodeConflict:   {9, http.StatusConflict},
}

// Exit is the exit code of a command that ends with this error; 1 for a code not known here.
func (c Code) Exit() int {
	if k, ok := codes[c]; ok {
		return k.exit
	}
	return codes[CodeFailed].exit
}

func (c Code) status() int {
	if k, ok := codes[c]; ok {
		return k.status
	}
	return codes[CodeFailed].status
}

// An Error is a refusal as it crosses the socket. A [Backend] returns one (wrapped or not) to
// choose the code; any other error becomes [CodeFailed]. The client gives it back unchanged.
type Error struct {
	Code    Code
	Message string   // a sentence, lower case, no full stop
	Fix     []string // what to do, most likely first; may be empty
	Details []string // for CodeConfig each error of the file as "file:line:col: ..."; may be empty

	cause error // on this side of the socket only
}

// Error is the message alone.
func (e *Error) Error() string { return e.Message }

// Unwrap is the cause as far as it is known on this side of the socket, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Errorf makes an [*Error] from a format as [fmt.Sprintf] takes it.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError finds the [*Error] in err, or makes one of the fitting code; nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	code := CodeFailed
	switch {
	case errors.Is(err, ErrNoNode):
		code = CodeNoNode
	case errors.Is(err, ErrInUse):
		code = CodeConflict
	case errors.Is(err, fs.ErrPermission):
		code = CodePermission
	}
	return &Error{Code: code, Message: err.Error(), cause: err}
}

// NoPeer is the refusal of a name that no peer has. It names the peer that was probably meant, and all
// that are known.
func NoPeer(name string, known []string) *Error {
	e := Errorf(CodeNotFound, "there is no peer %q%s", name, suggest.DidYouMean(name, known))
	e.Fix = []string{"peers: " + strings.Join(known, ", ")}
	if len(known) == 0 {
		e.Fix = []string{"this node knows no peers yet: vxmesh invite lets one in"}
	}
	return e
}
