package main

// A tunnel is one way to join two hosts.
type tunnel struct {
	// pairs are the names: forwards, and backwards where that is not the same.
	pairs []string
	layer int    // 2 carries Ethernet, 3 only IP
	seal  string // how it protects what it carries, for people

	rival  bool     // somebody else's, and left out where it cannot be had
	tools  []string // programs that it needs installed
	about  []string // the command that tells the version
	module string   // or the Go module it is built from, with its version
	vxmesh bool     // there is a vxmesh in it
	off    bool     // measured without offloads
	port   int      // where it takes datagrams, as far as junk is sent there

	// up starts both endpoints. Each has its overlay device with its address when it returns.
	up func(b *builder, n *network) error
	// settled returns when a tunnel that begins by another way has found its direct one; nil for
	// one that has no other.
	settled func(n *network) error
}

// plain is what is written of a tunnel that everybody on the way can read and change.
const plain = "none"

// tunnels are all that is measured, in the order in which they are read.
var tunnels = []tunnel{
	{
		pairs: []string{baseOn}, layer: 2, seal: plain, port: 4789,
		up: kernelVXLAN,
	},
	{
		pairs: []string{baseOff}, layer: 2, seal: plain,
		off: true, up: kernelVXLAN,
	},
	{
		pairs: []string{"vxmesh -> kernel", "kernel -> vxmesh"}, layer: 2, seal: plain,
		vxmesh: true, up: vxmeshKernel,
	},
	{
		pairs: []string{"vxmesh -> vxmesh"}, layer: 2, seal: plain,
		vxmesh: true, up: vxmeshPlain,
	},
	{
		pairs: []string{"vxmesh sealed"}, layer: 2, seal: "AEGIS-256X2 or AES-256-GCM, as the CPU has it",
		vxmesh: true, port: 42420, up: vxmeshSealed,
	},
	{
		pairs: []string{"vxmesh sealed tun"}, layer: 2, seal: "AEGIS-256X2 or AES-256-GCM, as the CPU has it",
		vxmesh: true, up: vxmeshSealedTUN,
	},
	{
		pairs: []string{"vxmesh sealed -> userspace", "userspace -> vxmesh sealed"},
		layer: 2, seal: "AEGIS-256X2 or AES-256-GCM, as the CPU has it", vxmesh: true, up: vxmeshUserspace,
	},
	{
		pairs: []string{"wireguard-go -> netstack", "netstack -> wireguard-go"},
		layer: 3, seal: "ChaCha20-Poly1305",
		rival: true, module: wireguardModule, up: wireGuardNetstack,
	},
	{
		pairs: []string{baseWireGuard}, layer: 3, seal: "ChaCha20-Poly1305", port: wireguardPort,
		rival: true, module: wireguardModule, up: wireGuard,
	},
	{
		pairs: []string{"kernel vxlan over wireguard-go"}, layer: 2, seal: "ChaCha20-Poly1305",
		rival: true, module: wireguardModule, up: vxlanOverWireGuard,
	},
	{
		pairs: []string{"tinc"}, layer: 2, seal: "AES-256-CBC, HMAC-SHA256 cut to 4 bytes",
		rival: true, tools: []string{"tincd"}, about: []string{"tincd", "--version"},
		up: tinc, settled: direct,
	},
	{
		pairs: []string{"n2n"}, layer: 2, seal: "Twofish (version 1), AES (since)",
		rival: true, tools: []string{"edge", "supernode"}, about: []string{"edge", "-h"},
		up: n2n, settled: direct,
	},
	{
		pairs: []string{"fastd"}, layer: 2, seal: "Salsa20/12, UMAC",
		rival: true, tools: []string{"fastd"}, about: []string{"fastd", "--version"},
		up: fastd,
	},
	{
		pairs: []string{"openvpn"}, layer: 2, seal: "AES-256-GCM",
		rival: true, tools: []string{"openvpn"}, about: []string{"openvpn", "--version"},
		up: openVPN,
	},
}
