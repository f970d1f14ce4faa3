// Package lan finds the network's members on the same LAN, without any server.
//
// A [Beacon] makes and reads HELLO datagrams; a [Runner] sends and hears them, by multicast to
// 239.255.86.77 and ff02::5658, port 21586. A HELLO leaves by the socket that everything else is
// sent from, so that its source is where the member is reached:
//
//	 0               4               8
//	+---------------+---------------+
//	| 08 00 00 00   | 00 00 00 04   |  a VXLAN header with the index that HELLOs have
//	+---+-----------+---+-----------+
//	| 1 | network tag, 8 bytes ...  |  version 1
//	+---+---+-------+---+-----------+
//	  | node tag, 8 bytes ...       |
//	+-+-----+-----------------------+
//	| port  |                           where the node hears, big-endian; 27 bytes in all
//	+-------+
//
// Both tags are keyed and change daily: those without the key see that some HELLOs are of one
// network or node today, and not which. A HELLO proves nothing, because anybody can repeat one. It
// is a place to try a handshake at.
package lan
