#!/bin/sh
# Before the files go: networks are stopped and not started any more. An upgrade leaves them alone.
set -e

case "$1" in
upgrade | failed-upgrade | deconfigure | 1) exit 0 ;; # 1 is how many versions rpm leaves
esac

for link in /etc/systemd/system/*.wants/vxmesh@*.service; do
	[ -L "$link" ] || continue
	if [ -d /run/systemd/system ]; then
		systemctl disable --now "${link##*/}" || true
	fi
	rm -f "$link"
done
if [ -d /run/systemd/system ]; then
	systemctl stop 'vxmesh@*.service' || true # those that were started only
fi
for service in /etc/init.d/vxmesh.*; do
	[ -L "$service" ] || continue
	rc-service --ifstarted "${service##*/}" stop || true
	rc-update del "${service##*/}" || true
	rm -f "$service"
done
