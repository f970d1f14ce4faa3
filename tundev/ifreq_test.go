package tundev

import (
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// An inventory is what golang.org/x/sys/unix says of one system: numbers by their names, and the
// fields of structs with their types.
type inventory struct {
	numbers map[string]uint64
	fields  map[string]string
}

// takeInventory reads the sources, since the package itself has only the numbers of the system it
// is built for.
func takeInventory(t *testing.T, system string) inventory {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatalf("go list finds no golang.org/x/sys: %v; run go mod download", err)
	}
	v := inventory{map[string]uint64{}, map[string]string{}}
	for _, file := range []string{"zerrors_", "ztypes_"} {
		path := filepath.Join(strings.TrimSpace(string(dir)), "unix", file+system+".go")
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, v.note)
	}
	return v
}

func (v inventory) note(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i < len(n.Values) {
				if lit, ok := n.Values[i].(*ast.BasicLit); ok && lit.Kind == token.INT {
					v.numbers[name.Name], _ = strconv.ParseUint(lit.Value, 0, 64)
				}
			}
		}
	case *ast.TypeSpec:
		if s, ok := n.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				if kind, ok := f.Type.(*ast.Ident); ok {
					v.fields[n.Name.Name] += f.Names[0].Name + " " + kind.Name + ", "
				}
			}
		}
	}
	return true
}

// compare holds sizes to numbers.
func (v inventory) compare(t *testing.T, system string, sizes map[string]uintptr) {
	t.Helper()
	for name, size := range sizes {
		n := uint(v.numbers[name])
		if got := n >> 16 & 0x1fff; n == 0 || got != uint(size) {
			t.Errorf("%s: %s is %#x: %d bytes, not %d", system, name, n, got, size)
		}
		if got := ioctlNumber(n&0xe0000000, uint(size), byte(n>>8), n&0xff); got != n {
			t.Errorf("%s: %s is %#x, and made %#x", system, name, n, got)
		}
	}
	if v.numbers["AF_LINK"] != afLink || v.numbers["IFF_UP"] != 1 {
		t.Errorf("%s has other numbers", system)
	}
}

// TestIoctls holds the structs that kernels are given to the sizes that their numbers say, and
// what is made of numbers to those that are known.
func TestIoctls(t *testing.T) {
	const request = unsafe.Sizeof(ifRequest{})
	all := map[string]uintptr{
		"SIOCSIFLLADDR": request, "SIOCSIFMTU": request, "SIOCGIFFLAGS": request, "SIOCSIFFLAGS": request,
	}
	ifdrv := unsafe.Sizeof(driverRequest{})
	own := map[string]map[string]uintptr{
		"freebsd": {
			"SIOCSIFDESCR": unsafe.Sizeof(ifBuffer{}), "SIOCGIFDESCR": unsafe.Sizeof(ifBuffer{}),
			"SIOCSIFNAME": unsafe.Sizeof(ifPointer{}), "SIOCIFDESTROY": request,
			"SIOCSDRVSPEC": ifdrv, "SIOCGDRVSPEC": ifdrv,
		},
		"openbsd": {
			"SIOCSIFDESCR": unsafe.Sizeof(ifPointer{}), "SIOCBRDGADD": unsafe.Sizeof(vebPort{}),
			"SIOCBRDGDEL": unsafe.Sizeof(vebPort{}), "SIOCBRDGGIFFLGS": unsafe.Sizeof(vebPort{}),
		},
		"darwin": {
			"SIOCSDRVSPEC": ifdrv, "SIOCGDRVSPEC": ifdrv, "SIOCIFCREATE": request,
			"SIOCIFDESTROY": request, "BIOCSETIF": request,
			"BIOCSBLEN": 4, "BIOCGBLEN": 4, "BIOCIMMEDIATE": 4, "BIOCSHDRCMPLT": 4, "BIOCSSEESENT": 4,
			"BIOCSRTIMEOUT": 16, "BIOCPROMISC": 0,
		},
	}
	for system, sizes := range own {
		maps.Copy(sizes, all)
		for _, machine := range []string{"_amd64", "_arm64"} {
			takeInventory(t, system+machine).compare(t, system+machine, sizes)
		}
	}
	// TAPGIFNAME, _IOR('t', 93, struct ifreq), which x/sys does not have.
	if n := ioctlNumber(ioctlOut, uint(request), 't', 93); n != 0x4020745d {
		t.Errorf("TAPGIFNAME is made %#x", n)
	}
	if n := ioctlNumber(ioctlIn, uint(request), 'i', 52); n != 0x80206934 {
		t.Errorf("FreeBSD's SIOCSIFMTU is made %#x", n)
	}
}

// TestIfRequest has struct ifreq as bytes.
func TestIfRequest(t *testing.T) {
	mac := ifRequest{name: nameOf("vxm0")}
	mac.setMAC(ether.MAC{0xfe, 1, 2, 3, 4, 5})
	mtu := ifRequest{name: nameOf("a-name-that-is-too-long")}
	mtu.setInt(9000)
	flags := ifRequest{name: nameOf("tap3"), value: [16]byte{0x02, 0x88, 0x77, 0x66}}
	flags.setFlags(flags.flags() | 1)
	for want, r := range map[string]*ifRequest{
		"76786d30 00000000 00000000 00000000 0612 fe0102030405 0000000000000000":    &mac,
		"612d6e61 6d652d74 6861742d 69732d00 28230000 000000000000000000000000":     &mtu,
		"74617033 00000000 00000000 00000000 0388 7766 00000000 00000000 0000 0000": &flags,
	} {
		got := hex.EncodeToString((*[32]byte)(unsafe.Pointer(r))[:])
		if got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestDriverRequests has what drivers are asked with, against sizes and places in their headers.
func TestDriverRequests(t *testing.T) {
	var p ifPointer
	var b ifBuffer
	var d driverRequest
	var m bridgePort
	var v vebPort
	var f fethPeer
	for what, at := range map[string]uintptr{
		"ifreq.ifr_name with ifr_data": unsafe.Offsetof(p.name), "ifreq.ifr_name": unsafe.Offsetof(b.name),
		"ifdrv.ifd_name": unsafe.Offsetof(d.name), "ifbreq.ifbr_ifsname": unsafe.Offsetof(m.port),
		"if_bridge.h ifbreq.ifbr_name": unsafe.Offsetof(v.bridge),
	} {
		if at != 0 {
			t.Errorf("%s is at %d, not at the beginning", what, at)
		}
	}
	for what, c := range map[string][2]uintptr{
		"ifdrv.ifd_cmd":                   {unsafe.Offsetof(d.command), 16},
		"ifdrv.ifd_len":                   {unsafe.Offsetof(d.len), 24},
		"ifdrv.ifd_data":                  {unsafe.Offsetof(d.data), 32},
		"if_bridgevar.h ifbreq":           {unsafe.Sizeof(m), 80},
		"if_fake_request":                 {unsafe.Sizeof(f), 160},
		"if_fake_request.iffr_peer_name":  {unsafe.Offsetof(f.peer), 32},
		"if_bridge.h ifbreq.ifbr_ifsname": {unsafe.Offsetof(v.port), 16},
		"ifreq.ifr_data":                  {unsafe.Offsetof(p.data), 16},
		"ifr_buffer.length":               {unsafe.Offsetof(b.len), 16},
		"ifr_buffer.buffer":               {unsafe.Offsetof(b.data), 24},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %d, want %d", what, c[0], c[1])
		}
	}
	if bridgeAdd != 0 || bridgeDelete != 1 || bridgeGetFlags != 2 || fethSetPeer != 1 || fethGetPeer != 1 {
		t.Error("commands are others than those of the headers")
	}
}
