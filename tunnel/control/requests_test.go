package control_test

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// FuzzRequests feeds bodies of POST requests: what is accepted keeps the promises that the engine
// relies on and means the same when it is written and read again.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		`{"vni":4242,"vlan":20,"mac":"52:54:00:1a:22:01","port":"192.0.2.7"}`,
		`{"mac":"52-54-00-1A-22-01","port":"device"}`,
		`{"vlan":0}`, `{"all":true}`, `{"mac":null,"vlan":null,"port":"nas"}`,
		`{"peer":"nas","size":1400,"timeout_seconds":0.5}`, `{"peer":"nas","timeout_seconds":1e300}`,
		`{"name":"nas","ttl_seconds":60,"uses":1,"admin":true}`, `{"uses":2}`, `{"ttl_seconds":1e300}`,
		`{"program":"curl","auto":true}`, `{"name":"a.b","vni":7,"addresses":["10.0.0.9/24","fe80::1/64"]}`,
		`{"protocol":"udp","address":"[fd42::5]:53","vni":7,"timeout_seconds":1}`,
		`{"protocol":"tcp","address":":22","listen":true}`, `{"to":"nas","size":56}`,
		`{"vni":16777216,"all":true}`, `{}`, `[]`, `null`, `{"vlan":-1}`, `{"mac":"ff:ff:ff:ff:ff:ff"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := control.DecodeFDBAdd(body); err == nil {
			checkStation(t, r.MAC)
			checkAgain(t, r, r.VNI, r.VLAN, control.DecodeFDBAdd)
		}
		if r, err := control.DecodeFDBDel(body); err == nil {
			checkStation(t, r.MAC)
			checkAgain(t, r, r.VNI, r.VLAN, control.DecodeFDBDel)
		}
		if r, err := control.DecodeFDBFlush(body); err == nil {
			checkFlush(t, r)
		}
		if r, err := control.DecodePing(body); err == nil {
			checkPing(t, r)
		}
		if r, err := control.DecodeInvite(body); err == nil {
			checkInvite(t, r)
		}
		if r, err := control.DecodeGuest(body); err == nil {
			checkGuest(t, r)
		}
		if r, err := control.DecodeDial(body); err == nil {
			checkDial(t, r)
		}
		if r, err := control.DecodeOverlay(body); err == nil {
			checkPing(t, control.PingRequest{Peer: r.To, Size: r.Size, TimeoutSeconds: r.TimeoutSeconds})
			checkAgain(t, r, r.VNI, 0, control.DecodeOverlay)
		}
	})
}

func checkGuest(t *testing.T, r control.GuestRequest) {
	t.Helper()
	if r.VNI >= 1<<24 || r.Name == "" && r.Program == "" || r.Auto && len(r.Addresses) > 0 {
		t.Errorf("accepted %+v", r)
	}
	for _, a := range r.Addresses {
		if !a.IsValid() || a.Addr().IsMulticast() || a.Addr().IsUnspecified() {
			t.Errorf("accepted %s", a)
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.DecodeGuest(b); err != nil {
		t.Errorf("%s: %v", b, err)
	}
}

func checkStation(t *testing.T, mac ether.MAC) {
	t.Helper()
	if mac.IsZero() || mac.IsMulticast() {
		t.Errorf("accepted %v", mac)
	}
}

func checkFlush(t *testing.T, r control.FDBFlush) {
	t.Helper()
	var vlan uint16
	if r.VLAN != nil {
		vlan = *r.VLAN
	}
	if r.All == (r.VLAN != nil || r.MAC != nil || r.Port != "") {
		t.Errorf("accepted %+v", r)
	}
	checkAgain(t, r, r.VNI, vlan, control.DecodeFDBFlush)
}

func checkAgain[T any](
	t *testing.T, r T, vni uint32, vlan uint16, decode func([]byte) (T, error),
) {
	t.Helper()
	if vni >= 1<<24 || vlan > 4094 {
		t.Errorf("accepted %+v", r)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decode(b)
	if err != nil || !cmp.Equal(r, again) {
		t.Errorf("%s became %+v, %v", b, again, err)
	}
}

func checkPing(t *testing.T, r control.PingRequest) {
	t.Helper()
	if r.Peer == "" || r.Size < 0 || r.Size > control.MaxPingSize ||
		r.TimeoutSeconds < 0 || r.TimeoutSeconds > control.MaxPingTimeout.Seconds() {
		t.Errorf("accepted %+v", r)
	}
	checkAgain(t, r, 0, 0, control.DecodePing)
}

func checkDial(t *testing.T, r control.DialRequest) {
	t.Helper()
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil || port == "" || port == "0" || host == "" && !r.Listen ||
		r.Timeout() < 0 || r.Timeout() > control.MaxDialTimeout || r.Protocol != "tcp" && r.Protocol != "udp" {
		t.Errorf("accepted %+v", r)
	}
	checkAgain(t, r, r.VNI, 0, control.DecodeDial)
}

func checkInvite(t *testing.T, r control.InviteRequest) {
	t.Helper()
	if r.Uses < 0 || r.Uses > control.MaxInvitationUses || r.Uses > 1 && r.Name != "" ||
		r.TTLSeconds != 0 && r.TTLSeconds < 1 || r.TTLSeconds > control.MaxInvitationTTL.Seconds() {
		t.Errorf("accepted %+v", r)
	}
	checkAgain(t, r, 0, 0, control.DecodeInvite)
}
