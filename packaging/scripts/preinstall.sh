#!/bin/sh
# Makes the user that services run as, whatever makes users here.
set -e

if getent passwd vxmesh >/dev/null 2>&1 || grep -q '^vxmesh:' /etc/passwd; then
	exit 0
fi
nologin=/usr/sbin/nologin
[ -x "$nologin" ] || nologin=/sbin/nologin
if command -v useradd >/dev/null 2>&1; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/vxmesh --shell "$nologin" \
		--comment 'vxmesh networks' vxmesh
elif command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers --inline 'u vxmesh - "vxmesh networks" /var/lib/vxmesh'
else # busybox
	addgroup -S vxmesh
	adduser -S -D -H -h /var/lib/vxmesh -s "$nologin" -G vxmesh -g 'vxmesh networks' vxmesh
fi
