#!/bin/sh
# After the files have gone. Configs and keys stay, purged or not: nothing brings a network's key back.
# So does the user, whose number another one would get, and the keys with it.
set -e

[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
[ "$1" = purge ] || exit 0
for dir in /etc/vxmesh /var/lib/vxmesh; do
	[ -d "$dir" ] || continue
	rmdir "$dir" 2>/dev/null || echo "vxmesh: $dir is not empty, and stays; keys in it cannot be had back: rm -r $dir"
done
