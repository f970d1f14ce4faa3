//go:build linux && lab

package lab

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// No network: tshark reads datagrams from a file, with packaging/wireshark/vxmesh.lua where Wireshark
// looks for a user's plugins.

// bytesOf reads hex digits, in which "*n" behind a byte repeats it n times.
func bytesOf(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for word := range strings.FieldsSeq(s) {
		digits, times, repeated := strings.Cut(word, "*")
		b, err := hex.DecodeString(digits)
		need(t, err)
		n := 1
		if repeated {
			n = 0
			for _, c := range times {
				n = 10*n + int(c-'0')
			}
		}
		out = append(out, bytes.Repeat(b, n)...)
	}
	return out
}

// tshark shows the UDP datagrams, each on its own line of the given fields. Several values of a field
// are separated by commas, the fields by bars.
func tshark(t *testing.T, options, fields string, datagrams ...[]byte) []string {
	t.Helper()
	home := t.TempDir()
	plugins := filepath.Join(home, ".local/lib/wireshark/plugins")
	need(t, os.MkdirAll(plugins, 0o755))
	lua, err := os.ReadFile("../packaging/wireshark/vxmesh.lua")
	need(t, err)
	need(t, os.WriteFile(filepath.Join(plugins, "vxmesh.lua"), lua, 0o644))

	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	need(t, w.WriteFileHeader(65536, layers.LinkTypeIPv4))
	for _, d := range datagrams {
		p := ip{src: "192.0.2.1", dst: "198.51.100.2"}.packet(datagram(20001, 59999, d))
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(p), Length: len(p)}
		need(t, w.WritePacket(ci, p))
	}
	args := append(strings.Fields("-n -r - -T fields -E separator=|"), strings.Fields(options)...)
	for f := range strings.FieldsSeq(fields) {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), "tshark", args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "LC_ALL=C")
	cmd.Stdin = &file
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(stderr.String(), "Lua") || strings.Contains(string(out), "Lua Error") {
		t.Fatalf("tshark: %v\n%s\n%s", err, stderr.String(), out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

const (
	header1 = "08000000 00000001" // handshake message 1
	header2 = "08000000 00000002"
	header3 = "08000000 00000003"
	header4 = "08000000 00000004" // HELLO
	header5 = "08000000 00000005" // opener
	header6 = "08000000 00000006"
	data    = "08123456 00109278" // session 0x12345678, VNI 4242
	control = "08123456 00000078"
)

func TestDissectorData(t *testing.T) {
	t.Parallel()
	got := tshark(t, "", "_ws.col.Protocol _ws.col.Info vxmesh.index vxmesh.vni vxmesh.counter "+
		"vxmesh.last vxmesh.chunk vxmesh.message vxmesh.flags.offload vxmesh.flags.headers "+
		"vxmesh.ciphertext vxmesh.tag _ws.expert.message",
		bytesOf(t, data+"000000000000 80 00 aa*3 bb*16"),
		bytesOf(t, data+"0000ffff0102 05 01 aa*2 bb*16"),
		bytesOf(t, data+"ffffffffffff ff 03 aa*1 bb*16"),
		bytesOf(t, control+"000000000007 80 00 aa*9 bb*16"),
		bytesOf(t, control+"000000000008 80 00 bb*16"))
	tag := "|" + strings.Repeat("bb", 16) + "|"
	want := []string{
		"vxmesh|Data VNI 4242 to 12345678, counter 0" +
			"|0x12345678|4242|0|1|0|0|0|0|aaaaaa" + tag,
		"vxmesh|Data VNI 4242 to 12345678, counter 4294902018, chunk 5" +
			"|0x12345678|4242|4294902018|0|5|4294902013|1|0|aaaa" + tag,
		"vxmesh|Data VNI 4242 to 12345678, counter 281474976710655, chunk 127, last" +
			"|0x12345678|4242|281474976710655|1|127|281474976710528|1|1|aa" + tag,
		"vxmesh|Control to 12345678, counter 7|0x12345678|0|7|1|0|7|0|0|" +
			strings.Repeat("aa", 9) + tag,
		"vxmesh|Control to 12345678, counter 8|0x12345678|0|8|1|0|8|0|0|" + tag,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDissectorHandshake(t *testing.T) {
	t.Parallel()
	got := tshark(t, "", "_ws.col.Info vxmesh.sender vxmesh.receiver vxmesh.noise.ephemeral "+
		"vxmesh.noise.static vxmesh.mac1 vxmesh.mac2 vxmesh.cookie.nonce vxmesh.cookie.sealed vxmesh.tag "+
		"_ws.expert.message",
		bytesOf(t, header1+"12345678 00*4 e1*32 51*48 aa*416 c1*16 00*16"),
		bytesOf(t, header1+"12345678 00*4 e1*32 51*48 aa*416 c1*16 c2*16"),
		bytesOf(t, header2+"9abcdef0 12345678 e2*32 aa*416 c3*16 00*16"),
		bytesOf(t, header3+"12345678 00*4 f0*24 f1*17 f2*16"))
	e1, s1, e2 := strings.Repeat("e1", 32), strings.Repeat("51", 48), strings.Repeat("e2", 32)
	c1, c2 := strings.Repeat("c1", 16), strings.Repeat("c2", 16)
	c3, zero := strings.Repeat("c3", 16), strings.Repeat("00", 16)
	want := []string{
		"Handshake 1, from 12345678|0x12345678||" + e1 + "|" + s1 + "|" + c1 + "|" + zero + "||||",
		"Handshake 1, from 12345678, with a cookie|0x12345678||" + e1 + "|" + s1 + "|" + c1 + "|" + c2 +
			"||||",
		"Handshake 2, from 9abcdef0 to 12345678|0x9abcdef0|0x12345678|" + e2 + "||" + c3 + "|||||",
		"Cookie, to 12345678||0x12345678|||||" + strings.Repeat("f0", 24) + "|" +
			strings.Repeat("f1", 17) + "|" + strings.Repeat("f2", 16) + "|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A capture on a node shows what went through UDP GSO as one.
func TestDissectorMerged(t *testing.T) {
	t.Parallel()
	super := data + "000000000100 00 01 aa*100 bb*16" + " " +
		data + "000000000101 01 01 " + strings.ReplaceAll(data, " ", "") + "000000000001 cc*86 bb*16" + " " +
		data + "000000000102 82 01 aa*5 bb*16"
	fields := "_ws.col.Info vxmesh.counter vxmesh.chunk vxmesh.message"
	got := tshark(t, "", fields, bytesOf(t, super))
	want := []string{"Data VNI 4242 to 12345678, counter 256, chunk 0, and 2 more" +
		"|256,257,258|0,1,2|256,256,256"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = tshark(t, "-o vxmesh.cut:FALSE", fields, bytesOf(t, super))
	if want := []string{"Data VNI 4242 to 12345678, counter 256, chunk 0|256|0|256"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

// What no node would send gets a remark, on a port that is known to be vxmesh's.
func TestDissectorRemarks(t *testing.T) {
	t.Parallel()
	cases := []struct{ datagram, info, remark string }{
		{header4 + " 00*8", "HELLO", "The length is not that of its kind"},
		{header5 + " 00*9", "Opener", "The length is not that of its kind"},
		{header5 + " 00*7 01", "Opener", "This has to be zero"},
		{header6 + " 00*8", "Reserved", "Reserved: every node drops it"},
		{"08000000 000000ff 00*8", "Reserved", "Reserved: every node drops it"},
		{header1 + "00*535", "Handshake 1", "The length is not that of its kind"},
		{header2 + "00*489", "Handshake 2", "The length is not that of its kind"},
		{header3 + "00*64", "Cookie", "The length is not that of its kind"},
		{data + "000000000000 80 00 bb*15", "Data", "The length is not that of its kind"},
		{
			"08000000 00000101 12345678 00*4 00*528", "Handshake 1, from 12345678",
			"This has to be zero",
		},
		{header1 + "12345678 00*3 01 00*528", "Handshake 1, from 12345678", "This has to be zero"},
		{
			header2 + "12345678 9abcdef0 00*479 01", "Handshake 2, from 12345678 to 9abcdef0",
			"This has to be zero",
		},
		{header3 + "12345678 01 00*60", "Cookie, to 12345678", "This has to be zero"},
		{
			data + "000000000000 80 04 bb*16", "Data VNI 4242 to 12345678, counter 0",
			"This has to be zero",
		},
		{
			data + "000000000004 85 00 bb*16",
			"Data VNI 4242 to 12345678, counter 4, chunk 5, last", "No message has such a chunk",
		},
		{
			data + "000000000009 05 02 bb*16", "Data VNI 4242 to 12345678, counter 9, chunk 5",
			"No message has such a chunk",
		},
		{
			control + "000000000009 81 00 bb*16", "Control to 12345678, counter 9, chunk 1, last",
			"No message has such a chunk",
		},
		{
			control + "000000000009 80 01 bb*16", "Control to 12345678, counter 9",
			"No message has such a chunk",
		},
	}
	var datagrams [][]byte
	var want, nobody []string
	for _, c := range cases {
		datagrams = append(datagrams, bytesOf(t, c.datagram))
		want = append(want, "vxmesh|"+c.info+"|"+c.remark)
		nobody = append(nobody, "||")
	}
	fields := "vxmesh _ws.col.Info _ws.expert.message"
	trim := func(lines []string) []string { // the first field says more than its name
		for i, l := range lines {
			lines[i] = regexp.MustCompile(`^vxmesh[^|]*`).ReplaceAllString(l, "vxmesh")
		}
		return lines
	}
	if diff := cmp.Diff(want, trim(tshark(t, "-o vxmesh.ports:20001", fields, datagrams...))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, trim(tshark(t, "-d udp.port==59999,vxmesh", fields, datagrams...))); diff != "" {
		t.Errorf("decoded as vxmesh: %s", diff)
	}
	// Nobody said so: it may be something else.
	got := tshark(t, "", "vxmesh.kind vxmesh.index vxmesh.sender", datagrams...)
	if diff := cmp.Diff(nobody, got); diff != "" {
		t.Errorf("recognised: %s", diff)
	}
}

// What is not vxmesh's stays with its own dissector, also on a port of vxmesh's.
func TestDissectorOthers(t *testing.T) {
	t.Parallel()
	stun := bytesOf(t, "0001 0000 2112a442 5a*12")
	plain := bytesOf(t, "08000000 00006400 ffffffffffff 020000000001 0806 "+
		"0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002")
	junk := bytesOf(t, "17 aa*40")
	fields := "stun.type vxlan.vni arp.opcode vxmesh.index _ws.expert.message"
	got := tshark(t, "-o vxmesh.ports:20001", fields, stun, plain, junk)
	if diff := cmp.Diff([]string{"0x0001||||", "|100|1||", "||||"}, got); diff != "" {
		t.Error(diff)
	}
	got = tshark(t, "", fields, stun, junk)
	if diff := cmp.Diff([]string{"0x0001||||", "||||"}, got); diff != "" {
		t.Errorf("on a port that nobody named: %s", diff)
	}
}

// The datagrams of the protocol's worked example are what the page says they are.
func TestDissectorExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/protocol.md")
	need(t, err)
	var datagrams [][]byte
	for _, m := range regexp.MustCompile("(?s)```datagram\n(.*?)```").FindAllSubmatch(page, -1) {
		datagrams = append(datagrams, bytesOf(t, string(m[1])))
	}
	got := tshark(t, "", "vxmesh.kind vxmesh.vni vxmesh.counter _ws.expert.message", datagrams...)
	want := []string{
		"1|0||", "3|0||", "2|0||", "8|7|0|", "7|0|1|", "8|4242|2|", "8|4242|3|", "8|4242|4|",
		"7|0|5|", "7|0|6|", "5|0||",
		"4|0||",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// HELLOs are known by their port.
func TestDissectorHello(t *testing.T) {
	t.Parallel()
	hello := bytesOf(t, header4+" 01 a1*8 b2*8 7c85")
	got := tshark(t, "-d udp.port==59999,vxmesh", "_ws.col.Info vxmesh.kind vxmesh.hello.version "+
		"vxmesh.hello.network vxmesh.hello.node vxmesh.hello.port", hello)
	want := []string{"HELLO, listens on port 31877|4|1|" + strings.Repeat("a1", 8) + "|" +
		strings.Repeat("b2", 8) + "|31877"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What control messages say is shown to who has opened them.
func TestDissectorControl(t *testing.T) {
	t.Parallel()
	tag, mapped, six := "c0c1c2c3c4c5c6c7", " 00*10 ffff c6336407 ", " 20010db8 00*11 10 "
	inner := data + "000000000000 80 00 aa*3 bb*16"
	cases := []struct{ message, want string }{
		{"01 0102030405060708 00*20", "Ping|0x0102030405060708|||||||"},
		{"02 0102030405060708" + mapped + "7c85 00*7 05", "Pong, sees it at 198.51.100.7:31877|" +
			"0x0102030405060708||||198.51.100.7|31877||"},
		{"04" + six + "0001", "Conflict with [2001:db8::10]:1||||||1||"},
		{"05" + tag + inner, "Relay " + tag + ": Data VNI 4242 to 12345678, counter 0||" + tag + "|||||0x12345678|"},
		{"06" + tag + inner, "Relayed " + tag + ": Data VNI 4242 to 12345678, counter 0||" + tag + "|||||0x12345678|"},
		{"07" + tag + "03", "Unreached " + tag + ": Relays as much as it may||" + tag + "|3|||||"},
		{
			"0c 0102030405060708 ff 02 64" + six + "7c85 50" + mapped + "9c43",
			"Call: ipv6 [2001:db8::10]:31877, reflexive 198.51.100.7:40003|0x0102030405060708||" +
				"|-1|198.51.100.7|31877,40003||",
		},
		{"0d 0102030405060708 00 00", "Answer: |0x0102030405060708|||0||||"},
		{
			"0d 0102030405060708 00 01", "Answer|0x0102030405060708|||0||||" +
				"The length is not that of its type",
		},
		{"07" + tag, "Unreached||||||||The length is not that of its type"},
		{"09 aa*9", "Summary||||||||"},
	}
	var messages [][]byte
	var want []string
	for _, c := range cases {
		messages, want = append(messages, bytesOf(t, c.message)), append(want, c.want)
	}
	got := tshark(t, "-d udp.port==59999,vxmesh_control", "_ws.col.Info vxmesh_control.number "+
		"vxmesh_control.node vxmesh_control.cause vxmesh_control.step vxmesh_control.address4 "+
		"vxmesh_control.port vxmesh.index _ws.expert.message", messages...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
