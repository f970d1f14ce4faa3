#!/bin/sh
# Shows vxmesh talking VXLAN to the Linux kernel, in namespaces that vanish when this script ends:
#
#   namespace host1                            namespace host2
#   vxmesh join home.toml                      the kernel's own vxlan device
#   vxm0 10.42.0.1/24 == VXLAN, VNI 4242 ===== vxlan0 10.42.0.2/24
#   eth0 192.0.2.1/24 -------- veth ---------- eth0 192.0.2.2/24
#
# Needs iproute2, ping and unshare; root, or a system that lets users make namespaces and TAPs.
set -eu

here=$(dirname "$(readlink -f "$0")")
vxmesh=$(readlink -f "${1:-$here/../vxmesh}")

# Step 1: go into namespaces of our own, so that nothing of this machine is touched and everything
# goes away, processes too, when the script ends.
if [ "${VXMESH_DEMO:-}" != inside ]; then
	for tool in ip ping unshare; do
		command -v "$tool" >/dev/null || {
			echo "run.sh: $tool is missing" >&2
			echo "  Debian: apt-get install iproute2 iputils-ping util-linux" >&2
			exit 1
		}
	done
	user=; [ "$(id -u)" = 0 ] || user="--user --map-root-user"
	[ -w /dev/net/tun ] && unshare $user --net true 2>/dev/null || {
		echo "run.sh: this needs root here: sudo make run" >&2
		exit 1
	}
	export VXMESH_DEMO=inside
	exec unshare $user --net --mount --pid --fork --kill-child --mount-proc "$0" "$vxmesh"
fi

mount -t tmpfs tmpfs /run
work=/run/demo
mkdir -p /run/netns "$work"

bold='' plain=''
[ ! -t 1 ] || { bold=$(printf '\033[1m') plain=$(printf '\033[0m'); }
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
on() { host=$1; shift; ip netns exec "$host" "$@"; }
until_ok() { # until_ok WHAT COMMAND...: tries for ten seconds
	what=$1; shift
	tries=100
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && kill -0 "$node" 2>/dev/null || {
			echo "run.sh: $what did not come up; the logs:" >&2
			cat "$work"/log "$work"/tcpdump >&2 2>/dev/null
			exit 1
		}
		sleep 0.1
	done
}

# Step 2: two hosts and a cable.
ip netns add host1
ip netns add host2
ip link add eth0 netns host1 type veth peer name eth0 netns host2
for n in 1 2; do
	on host$n ip link set lo up
	on host$n ip address add 192.0.2.$n/24 dev eth0
	on host$n ip link set eth0 up
done

# Step 3: vxmesh on the one, the kernel on the other.
say "host1: vxmesh join examples/home.toml"
# The example as it stands, but for a state directory that goes away with the rest.
sed "s|^\[network\]|&\nstate = \"$work/state\"|" "$here/home.toml" >"$work/home.toml"
ip netns exec host1 "$vxmesh" join "$work/home.toml" --socket "$work/home.sock" >"$work/log" 2>&1 &
node=$!
until_ok "the device vxm0" on host1 ip link show vxm0 up

say "host2: the kernel's vxlan device, VNI 4242"
on host2 ip link add vxlan0 type vxlan id 4242 dstport 4789 local 192.0.2.2 remote 192.0.2.1
on host2 ip address add 10.42.0.2/24 dev vxlan0
on host2 ip link set vxlan0 up
on host2 ip -brief address show vxlan0

# Step 4: watch the cable while they talk: ARP and IPv4 inside VXLAN. (tcpdump gives rights up when
# it starts, which the root of a user's own namespace may not.)
watch=
if command -v tcpdump >/dev/null && [ "$(cat /proc/self/setgroups)" = allow ]; then
	ip netns exec host2 tcpdump -Z root -l -n -i eth0 -c 4 'udp port 4789 and udp[28:2] != 0x86dd' \
		>"$work/wire" 2>"$work/tcpdump" &
	watch=$!
	until_ok "tcpdump" grep -q listening "$work/tcpdump"
fi

say "host1 -> host2"
on host1 ping -c 3 -i 0.3 -W 2 10.42.0.2
say "host2 -> host1"
on host2 ping -c 3 -i 0.3 -W 2 10.42.0.1

if [ -n "$watch" ]; then
	wait "$watch" || true
	say "what was on the cable (tcpdump in host2)"
	cat "$work/wire"
fi

say "what vxmesh has learned: vxmesh fdb show"
"$vxmesh" fdb show --socket "$work/home.sock"

say "and counted: vxmesh stats"
"$vxmesh" stats --socket "$work/home.sock"

kill -TERM "$node"
wait "$node" || {
	echo "run.sh: vxmesh ended with status $?; its log:" >&2
	cat "$work/log" >&2
	exit 1
}
say "vxmesh left cleanly. The namespaces are gone."
