package view

// dots is a picture of 2 x 4 dots in each cell.
type dots struct {
	w, h int // in cells
	bits []uint8
}

// brailleBits are the dots of U+2800 + bits, by line and column:
//
//	1 4
//	2 5
//	3 6
//	7 8
var brailleBits = [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

func newDots(w, h int) *dots { return &dots{w, h, make([]uint8, w*h)} }

// set makes the dot x, y; what is outside is left out.
func (d *dots) set(x, y int) {
	if x >= 0 && x < d.w*2 && y >= 0 && y < d.h*4 {
		d.bits[y/4*d.w+x/2] |= brailleBits[y%4][x%2]
	}
}

// column makes the dots from y0 to y1, in whichever order.
func (d *dots) column(x, y0, y1 int) {
	for y := min(y0, y1); y <= max(y0, y1); y++ {
		d.set(x, y)
	}
}

// draw leaves cells without a dot as they are.
func (d *dots) draw(a Area, r Role) {
	for i, b := range d.bits {
		if b != 0 {
			a.Print(i%d.w, i/d.w, r, string(rune(0x2800)+rune(b)))
		}
	}
}
