// Command bench compares vxmesh with the kernel's own vxlan device, on this machine and in one run.
//
// Use it through `make bench` before and after a change to the way of a frame; what counts is the
// ratios, since the figures themselves belong to the machine. It builds the program, joins pairs of
// network namespaces by veth, and measures every pair in turn, each round in the opposite order of
// the one before. It needs Linux, root, iproute2, iperf3, ethtool and ping, and a machine that does
// nothing else meanwhile.
package main
