package tundev

import "testing"

func TestStableMACVectors(t *testing.T) {
	var long [32]byte
	for i := range long {
		long[i] = byte(i)
	}
	for _, c := range []struct {
		seed []byte
		vni  uint32
		want string
	}{
		{nil, 1, "fe:01:be:1d:fd:e2"},
		{[]byte("nas"), 4242, "fe:1b:5d:ef:d2:c4"},
		{[]byte("nas"), 4243, "fe:0e:3a:03:cb:65"},
		{long[:], 1<<24 - 1, "fe:bb:84:7f:0b:cf"},
	} {
		m := StableMAC(c.seed, c.vni)
		if m.String() != c.want {
			t.Errorf("%q, %d: %s, want %s", c.seed, c.vni, m, c.want)
		}
		if m.IsMulticast() || m[0]&2 == 0 {
			t.Errorf("%s is not a locally administered unicast address", m)
		}
	}
}
