package topology

import (
	"context"
	"io"
	"slices"

	"github.com/vxmesh/vxmesh/topology/explain"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Record writes all that passes as pcapng, until ctx ends or out fails: the frames of each host, and the
// datagrams in each LAN and on the internet, so that one which crosses a NAT is there before and
// after. Every packet says in a comment what it is.
func (w *World) Record(ctx context.Context, out io.Writer) error {
	return w.tap.Attach(capture.Options{Interfaces: w.faces}).Run(ctx, out)
}

const internet = "internet"

// places are the interfaces of a record.
func (w *World) places() (all []capture.Interface) {
	for _, h := range w.hosts {
		if len(h.plan.Devices) > 0 {
			all = append(all, capture.Interface{Name: h.Name, Point: capture.Inner})
		}
		if h.plan.Plain != nil {
			all = append(all, capture.Interface{Name: h.Name + " plain", Point: capture.Outer})
		}
	}
	for _, s := range w.plan.Sites {
		all = append(all, capture.Interface{Name: s.Name + " LAN", Point: capture.Outer})
	}
	return append(all, capture.Interface{Name: internet, Point: capture.Outer})
}

func (w *World) face(p capture.Interface) int { return slices.Index(w.faces, p) }

// frame takes in a frame of a host.
func (w *World) frame(f *Frame) {
	if f.Out {
		w.sent.note(f.Host, f.Host, f.Bytes, f.Time)
	}
	if w.tap.On() {
		w.tap.Put(&capture.Packet{
			Point: capture.Inner, In: !f.Out, Time: f.Time, Data: f.Bytes, VNI: f.VNI, Port: f.Host.Name,
			Interface: w.face(capture.Interface{Name: f.Host.Name, Point: capture.Inner}),
			Note:      explain.Frame(f.Bytes),
		})
	}
	if w.options.Frames != nil {
		w.options.Frames(f)
	}
}

// plain takes in a datagram of plain VXLAN.
func (w *World) plain(p *PlainDatagram) {
	f := p.Frame()
	if !p.Out && f != nil {
		w.sent.note(p.Host, p.Host, f, p.Time)
	}
	if w.tap.On() {
		note := "plain VXLAN"
		if f != nil {
			note += ": " + explain.Frame(f)
		}
		w.tap.Put(&capture.Packet{
			Point: capture.Outer, In: !p.Out, Time: p.Time, Data: p.Bytes, Src: p.From, Dst: p.To, Port: p.Host.Name,
			Interface: w.face(capture.Interface{Name: p.Host.Name + " plain", Point: capture.Outer}), Note: note,
		})
	}
	if w.options.Plain != nil {
		w.options.Plain(p)
	}
}

// journey takes in what became of a datagram.
func (w *World) journey(j *simnet.Journey) {
	w.passOn(j)
	if w.tap.On() {
		w.recordJourney(j)
	}
	if w.options.Journeys != nil {
		w.options.Journeys(j)
	}
}

// recordJourney shows a datagram once in each place that it passed.
func (w *World) recordJourney(j *simnet.Journey) {
	d, frame := w.Explain(j)
	note := d.What
	if frame != nil {
		note += ": " + explain.Frame(frame)
	}
	for i, hop := range j.Hops {
		p := capture.Packet{
			Point: capture.Outer, Time: j.Sent, Data: j.Data, Src: hop.From, Dst: hop.To,
			Interface: w.face(capture.Interface{Name: w.placeOf(j, i), Point: capture.Outer}), Note: note,
		}
		if last := i == len(j.Hops)-1; last {
			p.Time = j.Ended
			if j.End != simnet.Arrived {
				p.Note += " (" + j.End.String() + ")"
			}
		}
		w.tap.Put(&p)
	}
}

// placeOf is where a datagram was after its i-th hop.
func (w *World) placeOf(j *simnet.Journey, i int) string {
	site := ""
	switch hop := j.Hops[i]; {
	case hop.NAT == nil:
		if h := w.HostOf(j.From); h != nil {
			site = h.plan.Site
		}
	case hop.Inside:
		site = w.SiteOf(hop.NAT)
	default:
		site = w.plan.site(w.SiteOf(hop.NAT)).Behind
	}
	if site == "" {
		return internet
	}
	return site + " LAN"
}
