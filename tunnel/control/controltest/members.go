package controltest

import (
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Members is the node itself and the first of [Peers]. Nobody has signed their certificates.
func Members() control.Members {
	pve1 := control.Member{
		Name: "pve1", ID: "7f3ac91408be51d2", Key: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		Self: true, Admin: true, MayBridge: true, Issuer: "7f3ac91408be51d2",
		NotBefore: Start, NotAfter: Start.Add(90 * 24 * time.Hour), Certificate: []byte("pve1's"),
	}
	nas := control.Member{
		Name: "nas", ID: "1c0277aa9e3104f8", Key: "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		MACLimit: 4, Segments: []uint32{4242}, Issuer: "7f3ac91408be51d2",
		NotBefore: Start, NotAfter: Start.Add(90 * 24 * time.Hour), Sequence: 1 << 32,
		Endpoints: []string{"192.0.2.20:42420"}, Addresses: []string{"10.42.0.12/24", "fd42::12/64"},
		Certificate: []byte("nas's"),
	}
	return control.Members{
		Network: "5d41402abc4b2a76b9719d911017c592", Name: "home", Members: []control.Member{nas, pve1},
	}
}
