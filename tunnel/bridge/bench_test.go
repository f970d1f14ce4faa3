package bridge

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

var sizes = []int{1e3, 1e5, 1e6}

// chosen are addresses of a filled switch in random order, so that the cache has to be earned.
func chosen(n int) []ether.MAC {
	r := rand.New(rand.NewPCG(6, 7))
	list := make([]ether.MAC, 1<<16)
	for i := range list {
		list[i] = scaleMAC(r.Uint64N(uint64(n)))
	}
	return list
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		s, list := filled(n), chosen(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				s.Lookup(5, 0, list[i&0xffff], 0)
			}
		})
	}
}

func BenchmarkLookupParallel(b *testing.B) {
	for _, n := range sizes {
		s, list := filled(n), chosen(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(1 << 16); pb.Next(); i++ {
					s.Lookup(5, 0, list[i&0xffff], 0)
				}
			})
		})
	}
}

func BenchmarkRefresh(b *testing.B) {
	for _, n := range sizes {
		s, list := filled(n), chosen(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				m := list[i&0xffff]
				s.Learn(Port(1+m.Uint64()%4), 0, m, time.Duration(i)*100)
			}
		})
	}
}

func BenchmarkRefreshParallel(b *testing.B) {
	for _, n := range sizes {
		s, list := filled(n), chosen(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(1 << 16); pb.Next(); i++ {
					m := list[i&0xffff]
					s.Learn(Port(1+m.Uint64()%4), 0, m, time.Duration(i)*100)
				}
			})
		})
	}
}

// BenchmarkLookupDuringStorm looks up while another goroutine learns as fast as it can.
func BenchmarkLookupDuringStorm(b *testing.B) {
	s, list := filled(1e5), chosen(1e5)
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := uint64(1e5); !stop.Load(); i++ {
			s.Learn(1, 0, scaleMAC(i), 0)
			s.Delete(0, scaleMAC(i))
		}
	}()
	for i := 0; b.Loop(); i++ {
		s.Lookup(5, 0, list[i&0xffff], 0)
	}
	stop.Store(true)
	<-ended
}

func BenchmarkExpire(b *testing.B) {
	s := filled(1e6)
	for b.Loop() {
		s.Expire(0)
	}
}

func BenchmarkStorm(b *testing.B) {
	s := filled(0)
	s.SetOptions(Options{MaxEntries: 4096, Learn: true})
	for i := uint64(0); b.Loop(); i++ {
		s.Learn(1, 0, scaleMAC(i), 0)
	}
}
