// Package natlab builds networks with NATs in them out of network namespaces and nftables, and makes
// to them what happens to real ones.
//
//	Public "p" [eth0] 203.0.113.2 ---------------+
//	                                             |
//	Site 1: [eth0] .10 --- [lan] router [wan] ---+ internet: a router
//	        192.168.1.0/24        203.0.113.3    |
//	                                             |
//	Carrier 2: ------ [lan] router [wan] --------+
//	 |      100.64.2.0/24         203.0.113.4
//	 +--- [wan] router [lan] --- [eth0] Site 3, behind carrier 2
//	 100.64.2.10    192.168.3.0/24
//
// The internet is a router and no switch, every outside address is alone on its cable: a datagram
// that leaves the host behind one NAT with TTL 2 opens that NAT and dies before it gets to another.
// It carries nothing from or to private addresses. Public hosts and the outside of routers have IPv6
// as well, 2001:db8:ffff::/64; what is inside a site has it only where the kind says so.
//
// A kind is one of these words, some with suffixes:
//
//	            mapping                     filtering             as in
//	open        none, a routed address      none                  a server
//	fw          none, a routed address      address and port      a server behind a stateful firewall
//	fullcone    by source                   none                  "NAT1", game routers
//	addr        by source                   address               "NAT2"
//	port        by source, port kept        address and port      Linux, OpenWrt, most homes
//	portrej     as port, but strays get to the router itself: its reject leaves a connection that
//	            is in the way of an own datagram to the same stranger, which then gets another port
//	porthash    by source, another port     address and port      carriers
//	symseq      by destination, port + 1    address and port      older home routers, some LTE
//	symrand     by destination, random      address and port      pfSense, BSDs, many carriers
//	block       no UDP at all                                     hotels, firms
//	v6only      no IPv4; IPv6 as with +v6
//
//	+hp         turns datagrams to its own outside address back inside (fullcone and addr)
//	+v6         has 2001:db8:N::/64 inside, behind a stateful firewall (open: behind none)
//
// Everything needs root, `ip`, `nft` and for delays `ethtool`. All of it goes with the test. What
// goes wrong ends the test, so all methods that change something are for the test's own goroutine.
package natlab
