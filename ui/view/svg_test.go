package view

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestSVG: whatever is drawn, the picture is well-formed, and all of the text is in it.
func TestSVG(t *testing.T) {
	c := NewCanvas(30, 4)
	c.Area().Print(0, 0, Good, `● <nas> & "vps"`)
	c.Area().Print(0, 1, Selected, "漢字 \x1b[31m]]>")
	c.Area().Print(0, 2, QR, "▀▄█⣿⡀x")
	got := c.SVG()
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, got)
		}
		if part, ok := token.(xml.CharData); ok {
			text.Write(part)
		}
	}
	if strings.ContainsAny(text.String(), "▀▄█⣿⡀") || strings.Count(got, "z") < 3+8+1 {
		t.Errorf("blocks and braille are no shapes:\n%s", got)
	}
	for _, want := range []string{`● <nas> & "vps"`, "漢字", "x"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
}
