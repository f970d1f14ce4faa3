// Package lab puts the program between real network stacks and looks at what happens.
//
// It has tests only, behind the build tag lab:
//
//	go test -tags lab ./lab/...                  # as root, or inside unshare -Urnm
//	go test -tags lab ./lab -node kernel -run .. # the kernel's vxlan as the node under test
//
// Cases that take as long as keys live are behind another tag, lablong. The tests build the program
// themselves, or take the one that VXMESH_BINARY names (built with -race, say). Open vSwitch,
// tshark, ethtool, nft and iproute2 have to be installed; no service of theirs has to run.
//
// Every file draws the network of its cases at the top. Throughout, K (K1, K2) is a namespace
// with the Linux kernel's own vxlan device vx0, M is the one with the node under test and its
// device vxm0, and u0 is the device towards the underlay. What a case expects is what the kernel
// does: with `-node kernel` the same case runs with a kernel at both ends, which shows that the
// case itself is right. Cases that need the program's control socket fail there.
//
// A, B and C are namespaces with sealed nodes, each other's peers, in the files sealed*_test.go.
package lab
