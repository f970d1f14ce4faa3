package userspace

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// maxQueued and maxQueuedBytes bound what the stack has sent and nobody has read; what is more is
	// dropped, and TCP slows down.
	maxQueued      = 1024
	maxQueuedBytes = 8 << 20
	// maxPacket bounds what the stack sends in one piece, to be cut later.
	maxPacket = 65535
)

// A link is the end of gVisor's stack: where its IP packets come out. It is a stack.LinkEndpoint with
// segmentation offload, and a queue.
type link struct {
	mtu  atomic.Uint32
	bell chan struct{} // there are packets; holds one
	done chan struct{} // closed by Close

	full, malformed atomic.Uint64 // packets that went no further

	mu       sync.Mutex // the rest
	attached bool
	closed   bool
	queue    []*stack.PacketBuffer // from head on
	head     int
	bytes    int
}

var _ stack.GSOEndpoint = (*link)(nil)

func newLink() *link {
	return &link{bell: make(chan struct{}, 1), done: make(chan struct{})}
}

// WritePackets queues what the stack sends.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, &tcpip.ErrClosedForSend{}
	}
	for n, p := range packets.AsSlice() {
		if !l.push(p) {
			l.full.Add(uint64(packets.Len() - n))
			return n, &tcpip.ErrNoBufferSpace{}
		}
	}
	return packets.Len(), nil
}

// push keeps a packet, unless the queue is full. The caller holds mu.
func (l *link) push(p *stack.PacketBuffer) bool {
	waiting := len(l.queue) - l.head
	if waiting == maxQueued || l.bytes+p.Size() > maxQueuedBytes {
		return false
	}
	if l.head > 0 && len(l.queue) == cap(l.queue) { // make room before what is left
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, p.IncRef())
	l.bytes += p.Size()
	if waiting == 0 {
		l.ring()
	}
	return true
}

func (l *link) ring() {
	select {
	case l.bell <- struct{}{}:
	default: // it was rung
	}
}

// pop gives the oldest packet, which the caller owns; nil when there is none.
func (l *link) pop() *stack.PacketBuffer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == len(l.queue) {
		return nil
	}
	p := l.queue[l.head]
	l.queue[l.head] = nil
	l.head++
	l.bytes -= p.Size()
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	}
	return p
}

// read copies the next packet to buf, and waits for one until wake can be received from.
func (l *link) read(buf []byte, wake <-chan struct{}) (int, offload.Header, error) {
	for {
		if p := l.pop(); p != nil {
			defer p.DecRef()
			n, h := outbound(buf, p)
			return n, h, nil
		}
		if wake == nil {
			if l.isClosed() {
				return 0, offload.Header{}, tundev.ErrClosed
			}
			return 0, offload.Header{}, tundev.ErrWouldBlock
		}
		select {
		case <-l.bell:
		case <-wake:
			return 0, offload.Header{}, tundev.ErrWouldBlock
		case <-l.done:
			return 0, offload.Header{}, tundev.ErrClosed
		}
	}
}

func (l *link) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Close lets go of what nobody has read. A second Close does nothing.
func (l *link) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.done)
	for _, p := range l.queue[l.head:] {
		p.DecRef()
	}
	l.queue, l.head, l.bytes = nil, 0, 0
}

// Attach is told where packets from the link would go; they go to the network endpoints past that, so
// that each can say whether its checksums still have to be looked at.
func (l *link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attached = d != nil
}

// IsAttached implements stack.LinkEndpoint.
func (l *link) IsAttached() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attached
}

// MTU is the largest IP packet in bytes.
func (l *link) MTU() uint32 { return l.mtu.Load() }

// SetMTU implements stack.LinkEndpoint.
func (l *link) SetMTU(mtu uint32) { l.mtu.Store(mtu) }

// GSOMaxSize is the largest packet with its headers that TCP may send to be cut later, in bytes.
func (l *link) GSOMaxSize() uint32 { return maxPacket }

// SupportedGSO says that packets of TCP may be larger than the MTU, and their checksums unfinished.
func (l *link) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// Capabilities are none: neighbours are the business of who reads the packets.
func (l *link) Capabilities() stack.LinkEndpointCapabilities { return 0 }

// The rest is of links that have headers and goroutines.

func (l *link) MaxHeaderLength() uint16                       { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress                { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)              {}
func (l *link) Wait()                                         {}
func (l *link) ARPHardwareType() header.ARPHardwareType       { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)                 {}
func (l *link) ParseHeader(*stack.PacketBuffer) (always bool) { return true }
func (l *link) SetOnCloseAction(func())                       {}
