package demo

import (
	"hash/fnv"
	"math"
)

// saltOf makes a number of a name, by which noises differ.
func saltOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// noise is a number from 0 to 1 that follows from the seed, the salt and the step (SplitMix64).
func (n *Network) noise(salt uint64, step int) float64 {
	x := n.seed ^ salt*0xd1342543de82ef95 ^ uint64(step)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

// smooth is noise that takes some steps from one number to the next.
func (n *Network) smooth(salt uint64, step, period int) float64 {
	at, into := divide(step, period)
	part := (1 - math.Cos(math.Pi*float64(into)/float64(period))) / 2
	a, b := n.noise(salt, at), n.noise(salt, at+1)
	return a + (b-a)*part
}

// divide is the division whose remainder is never negative.
func divide(a, b int) (quotient, rest int) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

// A wave goes up and down around 1 as traffic does: two sines, bursts, and a little noise.
type wave struct {
	salt                   uint64
	slow, fast, shift, sag float64
}

func (n *Network) wave(name string) wave {
	w := wave{salt: saltOf(name)}
	w.slow, w.fast = 140+120*n.noise(w.salt+1, 0), 23+38*n.noise(w.salt+2, 0)
	w.shift, w.sag = n.noise(w.salt+3, 0), n.noise(w.salt+4, 0)
	return w
}

func (n *Network) height(w wave, step int) float64 {
	t := float64(step)
	v := 1 + 0.28*math.Sin(2*math.Pi*(t/w.slow+w.shift)) + 0.12*math.Sin(2*math.Pi*(t/w.fast+w.sag)) +
		0.5*(n.smooth(w.salt+5, step, 9)-0.5) + 0.05*(n.noise(w.salt+6, step)-0.5)
	return max(v, 0.05)
}
