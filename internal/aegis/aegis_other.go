//go:build !amd64 || !gc || purego

package aegis

const (
	supported = false
	none      = "aegis: not supported"
)

// Without [Supported] there is no [Cipher] to call these of.

func (c *Cipher) Seal(_, _, _, _ []byte) []byte          { panic(none) }
func (c *Cipher) Open(_, _, _, _ []byte) ([]byte, error) { panic(none) }
func (c *Cipher) SealPair(_, _ *Text)                    { panic(none) }
func (c *Cipher) OpenPair(_, _ *Text) (bool, bool)       { panic(none) }
