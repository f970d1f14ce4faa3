#!/bin/sh
# After the files of a first or another version are there. No network is started that did not run.
set -e

case "$1" in
abort-*) exit 0 ;; # dpkg takes back what it has begun
esac

# The service's user owns the states, and reads the configs, which nobody but root writes.
chown vxmesh:vxmesh /var/lib/vxmesh
chmod 0700 /var/lib/vxmesh
chown root:vxmesh /etc/vxmesh
chmod 0750 /etc/vxmesh
# Files of networks that ran as root were root's alone.
find /etc/vxmesh -maxdepth 1 -name '*.toml' -type f ! -perm -040 ! -perm -004 \
	-exec chgrp vxmesh {} + -exec chmod g+r {} +

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart 'vxmesh@*.service' || true
elif [ -e /run/openrc/softlevel ]; then
	for service in /etc/init.d/vxmesh.*; do
		[ ! -L "$service" ] || rc-service --ifstarted "${service##*/}" restart || true
	done
fi
