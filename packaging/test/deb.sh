#!/bin/bash
# Installs a deb, runs a network as its unit would, upgrades to another deb, removes and purges it: in a
# copy of this machine's root, a network of its own and nothing else of this machine. Root.
#
#   packaging/test/deb.sh OLD.deb NEW.deb
#
# There is no systemd in it: what the unit asks of systemd is done by hand, the rest of the unit is looked
# at by systemd-analyze, where that is installed.
set -euo pipefail

most=25 # tenths: the exposure that systemd-analyze may find

if [ "${1-}" != inside ]; then
	[ "$(id -u)" = 0 ] || { echo "it takes root" >&2; exit 1; }
	exec unshare --mount --net --pid --fork --kill-child --propagation private "$0" inside "$(realpath "$1")" "$(realpath "$2")"
fi
old=$2 new=$3

step() { printf '== %s\n' "$*"; }
fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }

# The root: what is written goes to memory.
space=/mnt
mount -t tmpfs tmpfs $space
mkdir $space/{upper,work,root}
mount -t overlay overlay -o lowerdir=/,upperdir=$space/upper,workdir=$space/work $space/root
root=$space/root
mount -t proc proc $root/proc
mount --rbind /dev $root/dev
mount -t tmpfs tmpfs $root/dev/net # with the mode that udev gives it, which this machine may not have
mknod -m 666 $root/dev/net/tun c 10 200
for dir in run tmp; do mount -t tmpfs tmpfs $root/$dir; done
clean=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive)
box() { chroot $root "${clean[@]}" "$@"; }
box dpkg --purge vxmesh >/dev/null 2>&1 || true
box userdel vxmesh 2>/dev/null || true
rm -rf $root/etc/vxmesh $root/var/lib/vxmesh
cp "$old" $root/tmp/old.deb
cp "$new" $root/tmp/new.deb
ip link set lo up
ip link add eth9 type veth peer name eth8
ip addr add 192.0.2.11/24 dev eth9
ip link set eth9 up
ip link set eth8 up

owner() { # of a file, which must be so
	local is
	is=$(box stat -c '%U:%G %a' "$1")
	[ "$is" = "$2" ] || fail "$1 is $is, want $2"
}

step "install"
box dpkg --no-triggers -i /tmp/old.deb
box getent passwd vxmesh
owner /etc/vxmesh "root:vxmesh 750"
owner /var/lib/vxmesh "vxmesh:vxmesh 700"
box vxmesh version
box sh -c 'man=$(find /usr/share/man/man1 -name "vxmesh*.1" | wc -l); [ "$man" -gt 30 ]' || fail "where are the manual pages?"
unit=/usr/lib/systemd/system/vxmesh@.service
if command -v systemd-analyze >/dev/null; then
	box systemd-analyze verify --man=no $unit || fail "the unit is not valid"
	box systemd-analyze security --offline=true --no-pager --threshold=$most $unit | tail -1 || fail "the unit is too open"
else
	echo "systemd-analyze is not installed: the unit was not looked at"
fi

# What systemd would do for vxmesh@home, by what stands in the unit.
value() { sed -n "s/^$1=//p" "$root$unit" | sed 's/%i/home/g'; }
start() {
	local user caps dir
	user=$(value User)
	caps=$(value AmbientCapabilities | tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g; s/ /,/g')
	[ "$(value CapabilityBoundingSet)" = "$(value AmbientCapabilities)" ] || fail "the bounding set is not what is given"
	for dir in $(value StateDirectory); do
		install -d -m "$(value StateDirectoryMode)" "$root/var/lib/$dir"
		[ "$(box stat -c %U "/var/lib/$dir")" = "$user" ] || box chown -R "$user:$(value Group)" "/var/lib/$dir"
	done
	install -d -m "$(value RuntimeDirectoryMode)" "$root/run/$(value RuntimeDirectory)"
	box chown "$user:$(value Group)" "/run/$(value RuntimeDirectory)"
	exec_of_unit "$user" "$caps" 2>>$root/tmp/log &
	node=$!
	box vxmesh wait -n home --for up --timeout 10s || { cat $root/tmp/log; fail "the network does not come up"; }
}
exec_of_unit() { # in place of this shell, whose number is then the node's
	local user=$1 caps=$2
	exec chroot $root "${clean[@]}" STATE_DIRECTORY="$(value StateDirectory | sed 's#[^ ]*#/var/lib/&#g; s/ /:/g')" \
		RUNTIME_DIRECTORY="/run/$(value RuntimeDirectory)" WATCHDOG_USEC=30000000 \
		setpriv --reuid "$user" --regid "$(value Group)" --init-groups --no-new-privs \
		--inh-caps "-all,$caps" --ambient-caps "-all,$caps" --bounding-set "-all,$caps" \
		sh -c "umask $(value UMask); exec $(value ExecStart)"
}
stop() {
	kill -TERM "$node" 2>/dev/null || fail "the network has ended by itself: $(cat $root/tmp/log)"
	wait "$node" || { cat $root/tmp/log; fail "the network ends with $?"; }
}
all_theirs() {
	local wrong
	# shellcheck disable=SC2046 # the second may not be there yet
	wrong=$(find $root/var/lib/vxmesh $(ls -d $root/run/vxmesh 2>/dev/null) ! -user "$(box id -u vxmesh)")
	[ -z "$wrong" ] || fail "these are not the service's: $wrong"
}

step "init as root, run as the service's user"
box vxmesh init home --name attic --address 10.42.0.1/24 >/dev/null
all_theirs
start
ip link show vxm0 >/dev/null || fail "no device"
owner /run/vxmesh/home.sock "vxmesh:vxmesh 600"
box vxmesh status -n home | head -3

step "root goes on: invites, asks, reloads; nothing is root's"
for _ in 1 2; do box vxmesh invite -n home --endpoint 192.0.2.11:1 --json | grep -q vxm1 || fail "no invitation"; done
box vxmesh invite list -n home >/dev/null
box vxmesh key show -n home >/dev/null
box vxmesh reload -n home >/dev/null
box setpriv --reuid vxmesh --regid vxmesh --init-groups env RUNTIME_DIRECTORY=/run/vxmesh vxmesh reload -n home >/dev/null || fail "the unit's ExecReload"
all_theirs
stop
box vxmesh invite -n home --endpoint 192.0.2.11:1 >/dev/null # with no node running: root writes the files itself
all_theirs

step "what root alone had, the service gets"
box chown -R root:root /var/lib/vxmesh
chmod 600 $root/etc/vxmesh/home.toml
box dpkg --no-triggers -i /tmp/new.deb # upgrade
owner /var/lib/vxmesh "vxmesh:vxmesh 700"
owner /etc/vxmesh/home.toml "root:vxmesh 640"
start
all_theirs
box vxmesh invite list -n home | grep -c . >/dev/null || fail "the invitations are gone"
stop

step "remove, purge"
mkdir -p $root/etc/systemd/system/multi-user.target.wants
ln -s $unit $root/etc/systemd/system/multi-user.target.wants/vxmesh@home.service
box dpkg --no-triggers -r vxmesh
[ ! -e $root/usr/bin/vxmesh ] && [ ! -e "$root$unit" ] || fail "files are left"
[ ! -L $root/etc/systemd/system/multi-user.target.wants/vxmesh@home.service ] || fail "the service is still enabled"
[ -s $root/etc/vxmesh/home.toml ] && [ -s $root/var/lib/vxmesh/home/identity.key ] || fail "keys were removed"
box dpkg --no-triggers -P vxmesh
[ -s $root/var/lib/vxmesh/home/identity.key ] || fail "keys were purged"
box dpkg --no-triggers -i /tmp/new.deb >/dev/null
rm -rf $root/etc/vxmesh/* $root/var/lib/vxmesh/*
box dpkg --no-triggers -P vxmesh
[ ! -e $root/etc/vxmesh ] && [ ! -e $root/var/lib/vxmesh ] || fail "empty directories are left"
step "ok (${SECONDS}s)"
