package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal gives the terminal that a person answers at; ok is whether there is one.
func terminal(cmd *cobra.Command) (in *os.File, ok bool) {
	in, ok = cmd.InOrStdin().(*os.File)
	return in, ok && term.IsTerminal(int(in.Fd()))
}

// confirm says what is about to happen, and has a person type the name of what it happens to. Where
// there is nobody to ask, or with yes, it goes on.
func confirm(cmd *cobra.Command, yes bool, what, name string) error {
	in, ok := terminal(cmd)
	if yes || !ok {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s\nto go on, type %s: ", what, name)
	line, _ := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(line) != name {
		return errUnchanged
	}
	return nil
}

var errUnchanged = &cmdError{code: exitFailed, err: errors.New("nothing was changed")}

// maxPassphrase is how long one can be, in bytes.
const maxPassphrase = 1024

// readPassphrase asks for a passphrase, twice when it is a new one. Where nobody can be asked, it is
// the first line of standard input.
func readPassphrase(cmd *cobra.Command, isNew bool) (string, error) {
	in, ok := terminal(cmd)
	if !ok {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxPassphrase+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read passphrase: %w", err)
		}
		return checkPassphrase(cmd, strings.TrimRight(line, "\r\n"))
	}
	first, err := askHidden(cmd, in, "passphrase: ")
	if err != nil {
		return "", err
	}
	if first, err = checkPassphrase(cmd, first); err != nil || !isNew {
		return first, err
	}
	again, err := askHidden(cmd, in, "the same again: ")
	if err == nil && again != first {
		err = &cmdError{code: exitFailed, err: errors.New("the two are not the same; nothing was changed")}
	}
	return first, err
}

func checkPassphrase(cmd *cobra.Command, text string) (string, error) {
	if text == "" {
		return "", usageError(cmd, "the passphrase is empty: whoever has the file would have the key")
	}
	if len(text) > maxPassphrase {
		return "", usageError(cmd, "the passphrase is longer than %d bytes", maxPassphrase)
	}
	return text, nil
}

// askHidden reads a line that is not shown. An interrupt ends the process in the middle of it, and
// the terminal has to show again what is typed.
func askHidden(cmd *cobra.Command, in *os.File, prompt string) (string, error) {
	fd := int(in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	stop := context.AfterFunc(cmd.Context(), func() { _ = term.Restore(fd, state) })
	defer stop()
	out := cmd.ErrOrStderr()
	fmt.Fprint(out, prompt)
	text, err := term.ReadPassword(fd)
	fmt.Fprintln(out)
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	return string(text), nil
}
