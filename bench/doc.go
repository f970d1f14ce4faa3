// Command bench compares vxmesh with the kernel's own vxlan device and with other tunnels, on this
// machine and in one run.
//
// Use it through `make bench` before and after a change to the way of a frame; what counts is the
// ratios, since the figures themselves belong to the machine. It builds the program, joins pairs of
// network namespaces by veth, and measures every pair in turn, each round in the opposite order of
// the one before. With -wire every datagram is a packet of its own and the bytes on the cable are
// counted; with -loss some of them are lost on the way; with -junk one stream runs beside a flood. It needs Linux, root, iproute2, iperf3,
// ethtool and ping, and a machine that does nothing else meanwhile; a tunnel of others that is not
// installed is left out, and `make bench-deps` installs them.
package main
