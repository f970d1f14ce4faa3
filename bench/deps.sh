#!/bin/sh
# Installs what the bench uses beyond the lab, on Debian and its kin: the tunnels of others that it
# compares with, and the tool that loses and counts packets. Nothing that comes with them is started.
set -eu

missing=
for pair in nft:nftables tincd:tinc edge:n2n fastd:fastd openvpn:openvpn; do
	command -v "${pair%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
	echo "missing:$missing" >&2
	echo "  Debian: sudo make bench-deps; elsewhere install what has these names" >&2
	exit 1
fi
# shellcheck disable=SC2086 # a list of words
exec "$(dirname "$0")/../lab/deps.sh" $missing
