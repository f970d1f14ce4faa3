package tundev

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A fakeSystem is a machine with interfaces that a test can look at and spoil.
type fakeSystem struct {
	told chan news

	mu      sync.Mutex
	links   map[string]*facts
	bridges map[string][]string // their ports
	card    *fakeCard           // the last one
	opened  int
	did     []string // what was changed, in turn
	lent    bool
	refuse  map[string]error // by the verb
}

type fakeCard struct {
	sys    *fakeSystem
	called string
	in     chan []byte
	out    chan []byte
	gone   chan struct{}
	once   sync.Once
}

func newFakeSystem() *fakeSystem {
	return &fakeSystem{
		told: make(chan news, 8), links: map[string]*facts{}, refuse: map[string]error{},
		bridges: map[string][]string{"bridge0": nil},
	}
}

// act notes a change, and makes it unless it is refused.
func (y *fakeSystem) act(verb, rest string, f func()) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err := y.refuse[verb]; err != nil {
		return err
	}
	y.did = append(y.did, verb+" "+rest)
	f()
	return nil
}

// changes gives what was done since the last call.
func (y *fakeSystem) changes() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	did := strings.Join(y.did, ", ")
	y.did = nil
	return did
}

func (y *fakeSystem) open(o Options) (card, bool, error) {
	c := &fakeCard{
		sys: y, called: o.Name,
		in: make(chan []byte), out: make(chan []byte, 8), gone: make(chan struct{}),
	}
	return c, y.lent, y.act("open", o.Name, func() {
		y.opened++
		y.card = c
		if y.links[o.Name] == nil {
			y.links[o.Name] = &facts{index: y.opened, mtu: 1500, mac: ether.MAC{2}}
		}
	})
}

func (y *fakeSystem) look(name string) (*facts, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if f := y.links[name]; f != nil && y.refuse["look"] == nil {
		return new(*f), nil
	}
	return nil, y.refuse["look"]
}

func (y *fakeSystem) rename(from, to string) error {
	return y.act("rename", from+" "+to, func() {
		y.links[to], y.card.called = y.links[from], to
		delete(y.links, from)
	})
}

func (y *fakeSystem) setMAC(name string, mac ether.MAC) error {
	return y.act("mac", mac.String(), func() { y.links[name].mac = mac })
}

func (y *fakeSystem) setMTU(name string, mtu int) error {
	return y.act("mtu", name, func() { y.links[name].mtu = mtu })
}

func (y *fakeSystem) setUp(name string, _ Kind, _ ether.MAC) error {
	return y.act("up", name, func() { y.links[name].up = true })
}

func (y *fakeSystem) addAddress(name string, _ Kind, a netip.Prefix) error {
	return y.act("add", a.String(), func() {
		y.links[name].addresses = append(y.links[name].addresses, a)
	})
}

func (y *fakeSystem) dropAddress(name string, _ Kind, a netip.Prefix) error {
	return y.act("drop", a.String(), func() {
		f := y.links[name]
		f.addresses = slices.DeleteFunc(f.addresses, func(b netip.Prefix) bool { return a == b })
	})
}

func (y *fakeSystem) isPort(bridge, name string) (bool, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	ports, there := y.bridges[bridge]
	if !there {
		return false, ErrNoBridge
	}
	return slices.Contains(ports, name), nil
}

func (y *fakeSystem) join(bridge, name string) error {
	return y.act("join", bridge, func() { y.bridges[bridge] = append(y.bridges[bridge], name) })
}

func (y *fakeSystem) leave(bridge, _ string) error {
	return y.act("leave", bridge, func() { y.bridges[bridge] = nil })
}

func (y *fakeSystem) listen() (listener, error) { return fakeEar{y, make(chan struct{})}, nil }

type fakeEar struct {
	sys  *fakeSystem
	done chan struct{}
}

func (e fakeEar) close() { close(e.done) }

func (e fakeEar) next() (news, error) {
	select {
	case n := <-e.sys.told:
		return n, nil
	case <-e.done:
		return news{}, ErrClosed
	}
}

func (c *fakeCard) name() string {
	c.sys.mu.Lock()
	defer c.sys.mu.Unlock()
	return c.called
}

func (c *fakeCard) write(buf []byte) error { c.out <- bytes.Clone(buf[headroom:]); return nil }
func (c *fakeCard) close() error           { c.once.Do(func() { close(c.gone) }); return nil }

func (c *fakeCard) read(take func([]byte)) error {
	select {
	case f := <-c.in:
		take(f)
		return nil
	case <-c.gone:
		return syscall.ENXIO
	}
}

// remove is what somebody does who destroys the interface.
func (y *fakeSystem) remove(name string) {
	y.mu.Lock()
	delete(y.links, name)
	y.mu.Unlock()
	_ = y.card.close()
}

// change spoils the interface, and the system tells of it.
func (y *fakeSystem) change(name string, f func(*facts)) {
	y.mu.Lock()
	f(y.links[name])
	n := news{index: y.links[name].index}
	y.mu.Unlock()
	y.told <- n
}

func testAdapter(t *testing.T, y *fakeSystem, change func(*Options)) (*adapter, *[]State) {
	t.Helper()
	states := &[]State{}
	o := Options{
		Name: "vxm0", MTU: 1400, MAC: ether.MAC{0xfe, 0, 0, 0, 0, 1},
		Log:       slog.New(slog.DiscardHandler),
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
		OnChange:  func(s State) { *states = append(*states, s) },
	}
	if change != nil {
		change(&o)
	}
	o, err := o.complete()
	if err != nil {
		t.Fatal(err)
	}
	a, err := openAdapter(y, o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.Run(context.Background()) }()
	synctest.Wait()
	return a, states
}

// pass lets time go by, and what it sets off come to its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const setUp = "open vxm0, mac fe:00:00:00:00:01, mtu vxm0, up vxm0, add 10.0.0.1/24"

// TestAdapterCarries: frames cross both ways, those that are none do not, and Close wakes who
// reads.
func TestAdapterCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		a, _ := testAdapter(t, y, nil)
		if did := y.changes(); did != setUp {
			t.Errorf("it was set up by %s", did)
		}
		buf := make([]byte, BufLen)
		if _, _, err := a.ReadFrame(buf, false); err != ErrWouldBlock {
			t.Errorf("nothing to read: %v", err)
		}
		frame := bytes.Repeat([]byte{7}, 60)
		y.card.in <- frame[:13]
		y.card.in <- frame
		if n, _, err := a.ReadFrame(buf, true); err != nil || !bytes.Equal(buf[:n], frame) {
			t.Errorf("read %x, %v", buf[:n], err)
		}
		if err := a.WriteFrame(offload.Header{}, [][]byte{frame[:10], frame[10:]}); err != nil {
			t.Error(err)
		}
		if got := <-y.card.out; !bytes.Equal(got, frame) {
			t.Errorf("written as %x", got)
		}
		for want, parts := range map[error][][]byte{
			errShortFrame: {frame[:5], frame[:8]},
			errManyParts:  make([][]byte, MaxParts+1),
			errLongFrame:  {make([]byte, BufLen), frame},
		} {
			if err := a.WriteFrame(offload.Header{}, parts); err != want {
				t.Errorf("%d parts: %v, want %v", len(parts), err, want)
			}
		}
		ended := make(chan error)
		go func() {
			_, _, err := a.ReadFrame(buf, true)
			ended <- err
		}()
		synctest.Wait()
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != ErrClosed {
			t.Errorf("who read was told %v", err)
		}
		if err := a.WriteFrame(offload.Header{}, [][]byte{frame}); err != ErrClosed {
			t.Errorf("written when closed: %v", err)
		}
	})
}

// TestAdapterIsRepaired spoils the interface in every way, and looks at what was said and done.
func TestAdapterIsRepaired(t *testing.T) {
	host := netip.MustParsePrefix("10.0.0.1/32")
	for name, c := range map[string]struct {
		spoil      func(y *fakeSystem)
		said, done string
	}{
		"removed": {func(y *fakeSystem) { y.remove("vxm0") }, faultRemoved, setUp},
		"removed and told first": {func(y *fakeSystem) {
			y.mu.Lock()
			delete(y.links, "vxm0")
			y.mu.Unlock()
			y.told <- news{}
		}, faultRemoved, setUp},
		"renamed": {func(y *fakeSystem) {
			_ = y.rename("vxm0", "eth7")
			y.changes()
			y.told <- news{}
		}, faultRenamed + "eth7", "rename eth7 vxm0"},
		"set down": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.up = false })
		}, faultDown, "up vxm0"},
		"set down without addresses": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.up, f.addresses = false, nil })
		}, faultDown, "up vxm0, add 10.0.0.1/24"},
		"another mtu": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.mtu = 9000 })
		}, "", "mtu vxm0"},
		"another mac": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.mac[5]++ })
		}, "", "mac fe:00:00:00:00:01"},
		"an address less": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.addresses = nil })
		}, "", ""},
		"an odd mask": {func(y *fakeSystem) {
			y.change("vxm0", func(f *facts) { f.addresses = []netip.Prefix{host} })
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newFakeSystem()
				a, states := testAdapter(t, y, nil)
				defer func() { _ = a.Close() }()
				y.changes()
				c.spoil(y)
				pass(time.Second)
				if did := y.changes(); did != c.done {
					t.Errorf("done: %q, want %q", did, c.done)
				}
				if c.said == "" && len(*states) == 0 {
					return
				}
				if s := *states; len(s) != 2 || s[0].Up || s[0].Reason != c.said || !s[1].Up {
					t.Errorf("said: %v, want %q", s, c.said)
				}
			})
		})
	}
}

// TestAdapterIsMadeAgainLater: what cannot be made yet is tried again, and nothing is written
// meanwhile.
func TestAdapterIsMadeAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		a, states := testAdapter(t, y, nil)
		defer func() { _ = a.Close() }()
		y.mu.Lock()
		y.refuse["open"] = syscall.EBUSY
		y.mu.Unlock()
		y.remove("vxm0")
		pass(time.Minute)
		if s := a.State(); s.Up || s.Reason != "cannot create tap device vxm0: "+syscall.EBUSY.Error() {
			t.Errorf("state %+v", s)
		}
		if err := a.WriteFrame(offload.Header{}, [][]byte{make([]byte, 60)}); err != ErrDown {
			t.Errorf("written: %v", err)
		}
		y.mu.Lock()
		delete(y.refuse, "open")
		y.mu.Unlock()
		pass(2 * backoffMax)
		if !a.State().Up || !(*states)[len(*states)-1].Up {
			t.Errorf("state %+v, told %v", a.State(), *states)
		}
		y.card.in <- make([]byte, 60)
		if n, _, err := a.ReadFrame(make([]byte, BufLen), true); n != 60 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

// TestAdapterThatCannotBeLookedAt is not made again for that.
func TestAdapterThatCannotBeLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		a, _ := testAdapter(t, y, nil)
		defer func() { _ = a.Close() }()
		y.changes()
		y.mu.Lock()
		y.refuse["look"] = syscall.ENOBUFS
		y.mu.Unlock()
		y.told <- news{}
		synctest.Wait()
		if s := a.State(); s.Up || s.Reason != "it cannot be looked at: "+syscall.ENOBUFS.Error() {
			t.Errorf("state %+v", s)
		}
		y.mu.Lock()
		delete(y.refuse, "look")
		y.mu.Unlock()
		pass(2 * backoffMax)
		if did := y.changes(); did != "" || !a.State().Up {
			t.Errorf("done: %q, state %+v", did, a.State())
		}
	})
}

// TestAdapterInBridge: it joins, comes back when it is taken out or when the bridge is there
// again, and leaves.
func TestAdapterInBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		y.lent = true
		a, states := testAdapter(t, y, func(o *Options) { o.Bridge, o.Addresses = "bridge0", nil })
		y.changes()
		y.mu.Lock()
		y.bridges["bridge0"] = nil
		y.mu.Unlock()
		y.told <- news{name: "bridge0", index: 99}
		pass(time.Second)
		if did := y.changes(); did != "join bridge0" || (*states)[0].Reason != faultBridge+"bridge0" {
			t.Errorf("done: %q, said: %v", did, *states)
		}
		y.mu.Lock()
		delete(y.bridges, "bridge0")
		y.mu.Unlock()
		y.told <- news{name: "bridge0", index: 99}
		synctest.Wait()
		if s := a.State(); s.Up || s.Reason != "cannot join bridge bridge0: there is no such bridge" {
			t.Errorf("state %+v", s)
		}
		y.mu.Lock()
		y.bridges["bridge0"] = nil
		y.mu.Unlock()
		pass(2 * backoffMax)
		if did := y.changes(); did != "join bridge0" || !a.State().Up {
			t.Errorf("done: %q, state %+v", did, a.State())
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if did := y.changes(); did != "leave bridge0" {
			t.Errorf("at the end: %q", did)
		}
	})
}

func TestAdapterReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		a, _ := testAdapter(t, y, nil)
		defer func() { _ = a.Close() }()
		y.changes()
		n := *a.opt.Load()
		n.MTU, n.Addresses = 1300, []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}
		if err := a.Reconfigure(n); err != nil {
			t.Error(err)
		}
		if did := y.changes(); did != "drop 10.0.0.1/24, mtu vxm0, add 10.0.0.2/24" || a.MTU() != 1300 {
			t.Errorf("done: %q", did)
		}
		bad := n
		bad.MTU, bad.Bridge = 1200, "bridge9"
		if err := a.Reconfigure(bad); !errors.Is(err, ErrNoBridge) || a.MTU() != 1300 {
			t.Errorf("a bridge that there is not: %v, mtu %d", err, a.MTU())
		}
		if did := y.changes(); did != "mtu vxm0, mtu vxm0" {
			t.Errorf("done and undone: %q", did)
		}
		bad = n
		bad.MAC[5]++
		if err := a.Reconfigure(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("another mac: %v", err)
		}
	})
}

// TestAdapterThatCannotBeSetUp leaves nothing.
func TestAdapterThatCannotBeSetUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		y.refuse["mac"] = syscall.EPERM
		o := goodOptions()
		o, _ = o.complete()
		a, err := openAdapter(y, o)
		want := "cannot set the mac of device vxm0: operation not permitted"
		if a != nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if !errors.Is(err, ErrPermission) {
			t.Errorf("%v is of another kind", err)
		}
		<-y.card.gone
	})
}

// TestAdapterProbes: the question is read as a frame, the answer is seen where it is written.
func TestAdapterProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		a, _ := testAdapter(t, y, nil)
		defer func() { _ = a.Close() }()
		go func() {
			buf := make([]byte, BufLen)
			n, _, err := a.ReadFrame(buf, true)
			if err != nil || !bytes.Equal(buf[:n], probeFrame(a.MAC(), wanted4)) {
				t.Errorf("asked with %x, %v", buf[:n], err)
			}
			answer := answer4(arpReply, settler, wanted4, netip.IPv4Unspecified())
			_ = a.WriteFrame(offload.Header{}, [][]byte{answer})
		}()
		if mac, err := a.Probe(t.Context(), wanted4); mac != settler || err != nil {
			t.Errorf("it is at %s, %v", mac, err)
		}
	})
}

// TestAdapterBelowTUN: it carries packets, and the reader is woken for what the station says.
func TestAdapterBelowTUN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newFakeSystem()
		o := goodOptions()
		o.Kind, o.Addresses = TUN, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
		o, _ = o.complete()
		d, err := openTUN(o, func(o Options) (lower, error) { return openAdapter(y, o) })
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		go func() { _ = d.Run(context.Background()) }()
		buf := make([]byte, BufLen)
		n, _, err := d.ReadFrame(buf, true)
		if err != nil || n != 14+arpLen || buf[13] != 6 {
			t.Errorf("the first frame is %x, %v", buf[:n], err)
		}
		y.card.in <- ping4("10.0.0.1", "10.0.0.255")
		for n != 14+24 {
			if n, _, err = d.ReadFrame(buf, true); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestLookUp(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all { // lo at least
		f, err := lookUp(i.Name)
		if err != nil || f == nil {
			t.Errorf("%s: %v, %v", i.Name, f, err)
			continue
		}
		addrs, _ := i.Addrs()
		up := i.Flags&net.FlagUp != 0
		if f.index != i.Index || f.mtu != i.MTU || f.up != up || len(f.addresses) != len(addrs) {
			t.Errorf("%s is %+v, and not %+v", i.Name, f, i)
		}
	}
	if none, err := lookUp("none"); none != nil || err != nil {
		t.Errorf("none is %+v, %v", none, err)
	}
}
