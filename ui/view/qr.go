package view

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the white margin around a QR code. The standard wants four modules; on a screen two do.
const quiet = 2

// QRCode returns text, in upper case, as lines for role QR, each two modules high. Upper case makes
// the code smaller by a third (ISO/IEC 18004, 7.4.4: alphanumeric mode). What is drawn is what is
// white, so that the code is right in a dark terminal without colours, too.
func QRCode(text string) ([]string, error) {
	code, err := encodeQR(text)
	if err != nil {
		return nil, err
	}
	return qrLines(code, 2, func(x, y int) string {
		return []string{" ", "▀", "▄", "█"}[bit(white(code, x, y))+2*bit(white(code, x, y+1))]
	}), nil
}

// QRCodeWide is [QRCode] with one module per line and two columns for each: four times as large,
// and the one that can be read when the look is ASCII.
func QRCodeWide(text string) ([]string, error) {
	code, err := encodeQR(text)
	if err != nil {
		return nil, err
	}
	return qrLines(code, 1, func(x, y int) string {
		return []string{"  ", "██"}[bit(white(code, x, y))]
	}), nil
}

func encodeQR(text string) (*qr.Code, error) {
	code, err := qr.Encode(strings.ToUpper(text), qr.L)
	if err != nil {
		return nil, fmt.Errorf("encode %d bytes as a QR code: %w", len(text), err)
	}
	return code, nil
}

// qrLines calls module for the upper left module of each glyph, margin included.
func qrLines(code *qr.Code, step int, module func(x, y int) string) []string {
	var lines []string
	for y := -quiet; y < code.Size+quiet; y += step {
		var b strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(module(x, y))
		}
		lines = append(lines, b.String())
	}
	return lines
}

// white holds for the margin, too.
func white(code *qr.Code, x, y int) bool {
	return x < 0 || y < 0 || x >= code.Size || y >= code.Size || !code.Black(x, y)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
