package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// The exit codes of the program. Scripts rely on them, so they never change.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitConfig     = 3
	exitPermission = 4
	exitNoNode     = 5
	exitNotFound   = 6
	exitTimeout    = 7
	exitDegraded   = 8
	exitConflict   = 9
)

// codeNames are the codes as JSON spells them; [exitDegraded] is no error and has none.
var codeNames = map[int]control.Code{
	exitFailed:     control.CodeFailed,
	exitUsage:      control.CodeUsage,
	exitConfig:     control.CodeConfig,
	exitPermission: control.CodePermission,
	exitNoNode:     control.CodeNoNode,
	exitNotFound:   control.CodeNotFound,
	exitTimeout:    control.CodeTimeout,
	exitConflict:   control.CodeConflict,
}

// A cmdError is how a command ends that did not do what it was asked. Any other error will do as
// well, and ends in the code that fits it.
type cmdError struct {
	code  int
	err   error    // nil: everything has been said, only the code is left
	hints []string // what to do, most likely first; the first three are printed
}

// Error is the message alone.
func (e *cmdError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap is the cause.
func (e *cmdError) Unwrap() error { return e.err }

// maxHints is how many lines of what to do follow an error; more are not read.
const maxHints = 3

// printError says on w what went wrong and gives the exit code; 0 for nil.
func printError(w io.Writer, err error, asJSON bool) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*cmdError](err); ok && e.err == nil {
		return e.code
	}
	report := reportOf(err)
	if asJSON {
		// Nothing can be done about a broken standard error but to end with the code.
		_ = json.NewEncoder(w).Encode(report)
		return report.Code.Exit()
	}
	_, _ = io.WriteString(w, errorText(err, report))
	return report.Code.Exit()
}

// reportOf turns any error into the form that the control API has.
func reportOf(err error) *control.Error {
	if problems, ok := errors.AsType[config.Errors](err); ok {
		report := control.Errorf(control.CodeConfig, "%s has %s", problems[0].File, count(problems))
		for _, p := range problems {
			p.Excerpt = ""
			report.Details = append(report.Details, p.String())
		}
		return report
	}
	report := *control.AsError(err)
	report.Message = err.Error() // with what was wrapped around it
	if e, ok := errors.AsType[*cmdError](err); ok {
		report.Code = codeNames[e.code]
		report.Fix = append(e.hints[:len(e.hints):len(e.hints)], report.Fix...)
	}
	return &report
}

func errorText(err error, report *control.Error) string {
	var b strings.Builder
	if problems, ok := errors.AsType[config.Errors](err); ok {
		fmt.Fprintln(&b, problems)
	} else {
		for _, d := range report.Details {
			fmt.Fprintln(&b, d)
		}
	}
	fmt.Fprintf(&b, "vxmesh: %s\n", report.Message)
	for _, hint := range report.Fix[:min(len(report.Fix), maxHints)] {
		fmt.Fprintf(&b, "  %s\n", hint)
	}
	return b.String()
}

func count(problems config.Errors) string {
	if len(problems) == 1 {
		return "1 error"
	}
	return fmt.Sprintf("%d errors", len(problems))
}
