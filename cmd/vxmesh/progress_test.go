package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
)

func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetErr(&out)
	p := newProgress(cmd, &globals{}, false)
	p.step("checking nat", "nat")("ok")
	if err := p.try("asking", "answer", func() error { return errors.New("no") }); err == nil {
		t.Error("the error is lost")
	}
	p.close()
	if got := out.String(); got != "checking nat ...\nnat ok\nasking ...\nanswer failed\n" {
		t.Errorf("%q", got)
	}
	out.Reset()
	p = newProgress(cmd, &globals{json: true}, true)
	p.step("checking nat", "nat")("ok")
	p.close()
	if out.Len() > 0 {
		t.Errorf("under --json: %q", out.String())
	}
}

// TestProgressOnTerminal: it moves, makes room, and an interrupt gives the cursor back at once.
func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, interrupt := context.WithCancel(t.Context())
		p := &progress{out: &out, live: true, frames: asciiFrames, tick: 100 * time.Millisecond}
		p.start(ctx)
		done := p.step("checking nat", "nat")
		time.Sleep(250 * time.Millisecond)
		done("ok")
		want := hideCursor + clearLine + "| checking nat " + clearLine + "/ checking nat " + clearLine + "- checking nat " + clearLine
		if got := out.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		done = p.step("checking stun", "stun")
		interrupt()
		synctest.Wait()
		if got := out.String(); !strings.HasSuffix(got, "checking stun "+clearLine+showCursor) {
			t.Errorf("interrupted: %q", got)
		}
		n := out.Len()
		done("ok")
		p.step("checking clock", "clock")("ok")
		p.close()
		time.Sleep(time.Second)
		if out.Len() != n {
			t.Errorf("it goes on: %q", out.String()[n:])
		}
	})
}

func TestProgressGlyphs(t *testing.T) {
	for value, want := range map[string]bool{"C": false, "de_DE.UTF-8": true, "en_US.utf8": true, "POSIX": false} {
		t.Setenv("LC_ALL", value)
		if speaksUTF8() != want {
			t.Errorf("%s: %v", value, !want)
		}
	}
}
