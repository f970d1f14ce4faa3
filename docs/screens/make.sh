#!/bin/sh
# Takes the pictures of this directory: the program itself shows its demo in a terminal of tmux, and saves
# what it shows.
#
#	docs/screens/make.sh ./vxmesh
set -eu

program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
tmux="tmux -S $work/tmux"
trap '$tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT

LANG=C.UTF-8 $tmux -u -f /dev/null new-session -d -c "$work" -x 120 -y 36 "HOME=$work exec $program tui --demo"

shown() { $tmux capture-pane -p | grep -qF -- "$1"; }

# until_shown TEXT waits until the terminal shows it, until_gone until it no longer does.
until_shown() { within_two_minutes shown "$1"; }
until_gone() { within_two_minutes not_shown "$1"; }
not_shown() { ! shown "$1"; }

within_two_minutes() {
	n=0
	while ! "$@"; do
		n=$((n + 1))
		[ $n -lt 1200 ] || { echo "the screen: $*, in vain" >&2; $tmux capture-pane -p >&2; exit 1; }
		sleep 0.1
	done
}

# picture NAME saves what is shown.
picture() {
	until_gone 'saved vxmesh-' # its name is the second it was saved in
	$tmux send-keys C
	until_shown '.svg'
	mv "$work"/*.svg "$here/$1.svg"
}

until_shown '● demo'
until_shown '▲ degraded' # after a minute
picture overview
$tmux send-keys 2 Enter
until_shown 'Ways to'
sleep 1
picture peers
$tmux send-keys 3
until_shown 'VENDOR'
picture fdb
$tmux send-keys 4
until_shown 'Top talkers'
picture stats
$tmux send-keys 5
until_shown 'Map of'
picture map
