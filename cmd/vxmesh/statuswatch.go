package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A rate is what flows from and to a peer, in bits a second.
type rate struct{ rx, tx float64 }

// A statusWatch shows the status again and again, on a terminal each time over the last.
type statusWatch struct {
	out    io.Writer
	client control.Client
	json   bool

	last   control.Status
	lastAt time.Time // the zero time before the first
}

func (w *statusWatch) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	if isTerminal(w.out) && !w.json {
		const homeAndClear = "\x1b[H\x1b[2J"
		_, _ = io.WriteString(w.out, hideCursor+homeAndClear)
		defer func() { _, _ = io.WriteString(w.out, showCursor) }()
	}
	for {
		s, err := w.client.Status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := w.show(s, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// show writes one status in one write, so that a terminal never shows half of it.
func (w *statusWatch) show(s control.Status, now time.Time) (err error) {
	if w.json {
		return json.NewEncoder(w.out).Encode(s)
	}
	text := statusText(s, w.rates(s, now), now)
	w.last, w.lastAt = s, now
	if !isTerminal(w.out) {
		_, err = io.WriteString(w.out, text+"\n")
		return err
	}
	width, height, err := term.GetSize(int(w.out.(*os.File).Fd()))
	if err != nil {
		width, height = 0, 0
	}
	_, err = io.WriteString(w.out, over(text, width, height))
	return err
}

// over writes a text over what stands on a terminal, without clearing it first, which would flicker:
// each line clears what is behind it, and the end what is below. What does not fit is cut off. A
// terminal that does not know its size, such as a serial line, is taken for one of 80x24.
func over(text string, width, height int) string {
	if width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) >= height {
		more := len(lines) - (height - 1) + 1
		lines = append(lines[:max(0, height-2)], fmt.Sprintf("... %d lines more", more))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, line := range lines {
		b.WriteString(ansi.Truncate(line, width, "") + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}

// rates are what flowed since the last status; empty before the second, and for peers that were not
// there or have begun to count anew.
func (w *statusWatch) rates(s control.Status, now time.Time) map[string]rate {
	rates := map[string]rate{}
	seconds := now.Sub(w.lastAt).Seconds()
	if w.lastAt.IsZero() || seconds <= 0 || s.PID != w.last.PID {
		return rates
	}
	before := map[string]control.Peer{}
	for _, p := range w.last.Peers {
		before[p.Name] = p
	}
	for _, p := range s.Peers {
		if b, ok := before[p.Name]; ok && p.RxBytes >= b.RxBytes && p.TxBytes >= b.TxBytes {
			rates[p.Name] = rate{
				rx: float64(p.RxBytes-b.RxBytes) * 8 / seconds, tx: float64(p.TxBytes-b.TxBytes) * 8 / seconds,
			}
		}
	}
	return rates
}

// bitRate is a number of bits a second in the largest decimal unit that leaves a digit before the
// point.
func bitRate(bits float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		switch {
		case bits < 9.95 && unit != "":
			return fmt.Sprintf("%.1f%sb/s", bits, unit)
		case bits < 999.5:
			return fmt.Sprintf("%.0f%sb/s", bits, unit)
		}
		bits /= 1000
	}
	return fmt.Sprintf("%.1fTb/s", bits)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
