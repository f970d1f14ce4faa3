#!/bin/bash
# Runs the Windows program under Debian's wine, in a prefix of its own that goes away again. No root, no display.
#
#   packaging/test/wine.sh VXMESH.EXE
#
# Wine 8 has no AF_UNIX sockets, so no node runs under it: this is for commands that need none, and for the TUI on a
# Windows console.
set -euo pipefail

exe=$(realpath "$1")
wine=/usr/lib/wine/wine64
work=$(mktemp -d)
export HOME=$work WINEPREFIX=$work/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
export LANG=C.UTF-8 TERM=xterm-256color
unset DISPLAY WAYLAND_DISPLAY
finish() {
	tmux -S "$work/tmux" kill-server 2>/dev/null || true
	/usr/lib/wine/wineserver64 --kill --wait 2>/dev/null || true # that of the prefix
	rm -rf "$work"
}
trap finish EXIT
cd "$work"

step() { printf '== %s (%ss)\n' "$*" "$SECONDS"; }
fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }
vxmesh() { timeout 60 "$wine" "$exe" "$@" 2>err | tr -d '\r'; }
exits() { # CODE ARGUMENT...: and leaves in err what it says
	local want=$1 got=0
	shift
	vxmesh "$@" >out || got=$?
	[ "$got" = "$want" ] || fail "vxmesh $*: ends with $got, want $want: $(cat out err)"
}
says() { # FILE TEXT
	grep -qF -- "$2" "$1" || fail "nothing of '$2' in: $(cat "$1")"
}

step "a prefix"
timeout 120 "$wine" wineboot --init >/dev/null 2>&1 || fail "wineboot"
# A program built by Go takes its random numbers from a library that this wine lacks. Here is one: it has no code, and
# sends who calls it to the function that wine does have.
printf '%s\n' 'LIBRARY bcryptprimitives.dll' 'EXPORTS' 'ProcessPrng = advapi32.SystemFunction036' >random.def
x86_64-w64-mingw32-as -o empty.o /dev/null
x86_64-w64-mingw32-ld -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" empty.o random.def

step "version, help, a word that does not exist"
exits 0 version
says out windows/amd64
cat out
exits 0 help
says out "Examples"
exits 2 config chek
says err 'did you mean "check"?'

step "config: an example is right, a mistake has its line"
exits 0 config example
mv out example.toml
exits 0 config check example.toml
printf '[network]\nname = "home"\n\n[[segments]]\nvni = 0\n' >wrong.toml
exits 3 config check wrong.toml
says err "wrong.toml:5:7"

step "key: made once, shown, not made again"
exits 0 key new --state nas
mv out made
exits 0 key show --state nas
cmp made out
exits 9 key new --state nas
says err 'nas\identity.key'

step "the demo: whole nodes on an internet in memory"
exits 0 demo --plain --count 4
says out "ping 1: answered"
says out "What happened"

step "the TUI draws on a console"
printf '#!/bin/sh\n"%s" "%s" tui --demo\necho $? >%s/ended\n' "$wine" "$exe" "$work" >tui
chmod +x tui
window() { tmux -S "$work/tmux" -u -f /dev/null "$@"; }
window new-session -d -x 120 -y 40 "$work/tui"
until_shown() {
	local end=$((SECONDS + 60))
	until window capture-pane -p >shown && grep -qF -- "$1" shown; do
		[ $SECONDS -lt $end ] || fail "the TUI does not show '$1': $(cat shown)"
		sleep 0.2
	done
}
until_shown "This node"
until_shown "pi-attic"
until_shown "q quit"
window send-keys q
end=$((SECONDS + 30))
until [ -e ended ]; do
	[ $SECONDS -lt $end ] || fail "the TUI does not end"
	sleep 0.2
done
[ "$(cat ended)" = 0 ] || fail "the TUI ends with $(cat ended)"
step "ok"
