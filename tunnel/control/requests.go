package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	maxVNI  = 1<<24 - 1 // RFC 7348, 5: 24 bits
	maxVLAN = 4094      // IEEE 802.1Q, 9.6: 4095 is reserved
)

// readBody takes a request's body within the limits of size and time.
func (s *server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.read))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.body))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, Errorf(CodeUsage, "the request is larger than %d bytes", s.body)
	}
	if err != nil {
		return nil, Errorf(CodeTimeout, "the request did not come whole: %v", err)
	}
	_ = rc.SetReadDeadline(time.Time{})
	return body, nil
}

// decodeStrict takes exactly one JSON object with no field it does not know: what a newer client
// asks for and this node cannot do is refused, not half done.
func decodeStrict[T any](body []byte) (v T, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, Errorf(CodeUsage, "the request is not what was expected: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, Errorf(CodeUsage, "the request goes on after its end")
	}
	return v, nil
}

// decodeRequest takes a request that is possible.
func decodeRequest[T interface{ Check() error }](body []byte) (T, error) {
	r, err := decodeStrict[T](body)
	if err != nil {
		return r, err
	}
	return r, r.Check()
}

// requestOf reads and takes the request in the body of r.
func requestOf[T interface{ Check() error }](
	s *server, w http.ResponseWriter, r *http.Request,
) (req T, err error) {
	body, err := s.readBody(w, r)
	if err != nil {
		return req, err
	}
	return decodeRequest[T](body)
}

// Check says what makes the request impossible, whatever the node; nil if nothing does. The server
// checks every request before the engine sees it.
func (r FDBAdd) Check() error {
	if r.Port == "" {
		return Errorf(CodeUsage, "port is missing: device, the name of a peer or a VTEP's address")
	}
	return checkEntry(r.VNI, r.VLAN, r.MAC)
}

// Check is as [FDBAdd.Check].
func (r FDBDel) Check() error { return checkEntry(r.VNI, r.VLAN, r.MAC) }

// Check is as [FDBAdd.Check].
func (r FDBFlush) Check() error {
	narrow := r.Port != "" || r.VLAN != nil || r.MAC != nil
	switch {
	case !narrow && !r.All:
		return Errorf(CodeUsage, "say what to flush: a port, a VLAN, a MAC or all")
	case narrow && r.All:
		return Errorf(CodeUsage, "all goes with no port, VLAN or MAC")
	}
	var vlan uint16
	if r.VLAN != nil {
		vlan = *r.VLAN
	}
	return checkTags(r.VNI, vlan)
}

func checkEntry(vni uint32, vlan uint16, mac ether.MAC) error {
	if mac.IsZero() || mac.IsMulticast() {
		return Errorf(CodeUsage, "%s is not the address of one station", mac)
	}
	return checkTags(vni, vlan)
}

func checkTags(vni uint32, vlan uint16) error {
	switch {
	case vni > maxVNI:
		return Errorf(CodeUsage, "a VNI is at most %d, not %d", maxVNI, vni)
	case vlan > maxVLAN:
		return Errorf(CodeUsage, "a VLAN is at most %d, not %d", maxVLAN, vlan)
	}
	return nil
}
