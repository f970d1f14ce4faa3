package config

// maxDepth is how deep tables and lists may stand in one another: far more than the schema has.
const maxDepth = 64

// tooDeep finds where a text nests deeper than maxDepth. The TOML decoder takes time that grows
// with the square of the depth, so this has to be known before it starts. It agrees with the
// decoder as far as the text is valid, and the decoder reads no further.
func tooDeep(text string) (at span, deep bool) {
	n := nesting{locator: locator{text: text}}
	for n.more() {
		start := n.pos
		n.step()
		if n.depth+n.dots > maxDepth {
			return span{start, start + 1}, true
		}
	}
	return span{}, false
}

// A nesting walks over a text and counts what is open.
type nesting struct {
	locator
	open  []int // what each open bracket added to depth
	depth int   // of brackets, and of the dotted keys before them
	dots  int   // in the key that is being read: each is one table more
}

// step reads one byte, or a whole string or comment.
func (n *nesting) step() {
	switch n.peek() {
	case '"', '\'':
		n.str()
		return
	case '#':
		n.until("\n")
		return
	case '[', '{':
		n.open = append(n.open, n.dots+1)
		n.depth += n.dots + 1
		n.dots = 0
	case ']', '}':
		n.dots = 0
		if last := len(n.open) - 1; last >= 0 {
			n.depth -= n.open[last]
			n.open = n.open[:last]
		}
	case '.':
		n.dots++
	case ',', '\n':
		n.dots = 0
	}
	n.pos++
}
