//go:build linux && lab

// A foreign VTEP that is not the kernel's: Open vSwitch with its userspace datapath.
//
//	K br0 10.0.0.1 - vx0 (OVS) - br-phy 192.0.2.1 - [u0] ----- [u0] 192.0.2.2 M vxm0 10.0.0.2

package lab

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// An ovs is an Open vSwitch of its own, inside one namespace.
type ovs struct {
	*host
	dir string
}

// newOVS starts a database and a switch that share nothing with the machine's.
func newOVS(h *host) *ovs {
	h.t.Helper()
	o := &ovs{h, h.t.TempDir()}
	h.run("ovsdb-tool create %s/conf.db /usr/share/openvswitch/vswitch.ovsschema", o.dir)
	o.daemon("ovsdb-server", "--remote=punix:"+filepath.Join(o.dir, "db.sock"),
		filepath.Join(o.dir, "conf.db"))
	eventually(h.t, func() error {
		_, err := h.Run("ovs-vsctl --timeout=1 --no-wait --db=unix:" + o.dir + "/db.sock init")
		return err
	})
	o.daemon("ovs-vswitchd", "unix:"+filepath.Join(o.dir, "db.sock"))
	return o
}

func (o *ovs) daemon(name string, args ...string) {
	o.t.Helper()
	p, err := o.Start(netns.StartOptions{
		Args: append([]string{name, "--unixctl=" + filepath.Join(o.dir, name+".ctl")}, args...),
		Env:  []string{"OVS_RUNDIR=" + o.dir, "OVS_LOGDIR=" + o.dir, "OVS_DBDIR=" + o.dir},
		Dir:  o.dir,
	})
	need(o.t, err)
	o.t.Cleanup(func() {
		p.Kill()
		if o.t.Failed() {
			o.t.Logf("output of %s:\n%s", name, p.Output())
		}
	})
}

func (o *ovs) vsctl(format string, args ...any) {
	o.t.Helper()
	o.run("ovs-vsctl --timeout=15 --db=unix:"+o.dir+"/db.sock "+format, args...)
}

// TestOpenVSwitch is "ping over vxlan", vxlan6 and TCP of Open vSwitch's own tests (case 88) and
// rows I23 and I25: 56, 1600 and 3200 byte pings, streams, tagged frames, with its defaults (DF
// set, no UDP checksum on IPv4, strict flags) and with options.
func TestOpenVSwitch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		underlay family
		options  string
	}{
		{"v4", v4, ""},
		{"v6", v6, ""},
		{
			"v4 with checksum, tos and ttl inherited", v4,
			"options:csum=true options:tos=inherit options:ttl=inherit options:df_default=false",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			k.plainWire("u0")
			m.plainWire("u0")
			o := newOVS(k)
			mac := k.mac("u0")
			o.vsctl("add-br br-phy -- set bridge br-phy datapath_type=netdev " +
				"-- set bridge br-phy other_config:hwaddr=" + mac)
			k.run("ip addr flush dev u0")
			o.vsctl("add-port br-phy u0")
			k.run("ip addr add 192.0.2.1/24 dev br-phy")
			k.run("ip addr add 2001:db8::1/64 dev br-phy nodad")
			k.run("ip link set dev br-phy up")
			o.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev")
			o.vsctl("add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=%s "+
				"options:key=100 options:dst_port=4789 %s", c.underlay.addr(2), c.options)
			k.run("ip addr add 10.0.0.1/24 dev br0")
			k.run("ip link set dev br0 mtu %d up", 1500-c.underlay.overhead())
			join(m, segment{
				local: c.underlay.addr(2), remotes: []string{c.underlay.addr(1)},
				addresses: []string{"10.0.0.2/24"},
			})
			// The switch finds the underlay's neighbour by itself, from the first packets.
			m.run("ping -n -q -c 1 -W 5 %s", c.underlay.addr(1))
			eventually(t, func() error { return m.canPing("10.0.0.1") })

			for _, size := range []int{56, 1600, 3200} {
				k.ping("10.0.0.2", size)
				m.ping("10.0.0.1", size)
			}
			tcp(t, m, k, "10.0.0.1", 1<<20)
			tcp(t, k, m, "10.0.0.2", 60<<10)
			expectTagged(t, m, k)
		})
	}
}

// expectTagged wants tagged frames to cross as they are, both ways.
func expectTagged(t *testing.T, m, k *host) {
	t.Helper()
	for _, way := range []struct {
		from, to       *host
		out, in, frame string
	}{{m, k, "vxm0", "br0", "to OVS"}, {k, m, "br0", "vxm0", "from OVS"}} {
		seen := way.to.sniff(way.in, received(senderMAC))
		frame := tagged(hello(senderMAC), 0x8100, 42)
		need(t, way.from.sender(way.out).Send(frame))
		packets, err := seen.Wait(1, patience)
		if err != nil || !strings.HasPrefix(string(packets[0].Data), string(frame)) {
			t.Errorf("tagged frame %s: %v, %d frames", way.frame, err, len(packets))
		}
	}
}
