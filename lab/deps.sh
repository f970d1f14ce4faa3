#!/bin/sh
# Installs those of the named tools that this machine lacks, on Debian and its kin; without names all
# that the lab and the bench use. Nothing that comes with them is started: the lab runs its own
# daemons, inside namespaces.
set -eu

[ $# -gt 0 ] || set -- ip bridge ping ethtool nft setpriv tcpdump tshark iperf3 ovs-vswitchd miniupnpd turnserver tmux

missing=
for tool; do
	command -v "$tool" >/dev/null 2>&1 && continue
	case $tool in
	ip | bridge) package=iproute2 ;;
	ping) package=iputils-ping ;;
	setpriv | unshare) package=util-linux ;;
	ovs-vswitchd) package=openvswitch-switch ;;
	nft) package=nftables ;;
	miniupnpd) package=miniupnpd-nftables ;;
	turnserver | turnutils_*) package=coturn ;;
	*/wine64) package=wine64 ;;
	x86_64-w64-mingw32-*) package=binutils-mingw-w64-x86-64 ;;
	*) package=$tool ;;
	esac
	missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
	echo "missing:$missing" >&2
	echo "  Debian: sudo make deps; elsewhere install what has these names" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
echo 'wireshark-common wireshark-common/install-setuid boolean false' | debconf-set-selections
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -qy --no-install-recommends $missing
