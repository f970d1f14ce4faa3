package main

// A topic is help on something that concerns many commands.
type topic struct{ name, text string }

// topics are those of `vxmesh help TOPIC`.
var topics = []topic{
	{"exit-codes", exitCodesHelp},
	{"filters", filtersHelp},
	{"json", jsonHelp},
	{"environment", environmentHelp},
	{"paths", pathsHelp},
}

func topicNames() []string {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.name
	}
	return names
}

// topicText is the text of the topic that is the only argument.
func topicText(args []string) (text string, ok bool) {
	if len(args) != 1 {
		return "", false
	}
	for _, t := range topics {
		if t.name == args[0] {
			return t.text, true
		}
	}
	return "", false
}

const exitCodesHelp = `Every command ends with one of these codes. They never change.

  0  ok          done; an empty list is ok, too
  1  failed      it did not work, and the message says why; doctor: a check failed
  2  usage       a command, flag or argument that there is not
  3  config      the config file is not valid
  4  permission  it takes root, a capability, or the group of the control socket
  5  no_node     no node answers on the control socket
  6  not_found   there is no such network, peer, address or invitation
  7  timeout     it did not come in time: wait, ping, join
  8  degraded    status --check: a warning, or a peer that is down
  9  conflict    it exists already, or a port or device is in use

The daemon ends with 0 on SIGTERM and ctrl-c, and with 2 when it crashes. Do not restart it by itself
after 3 and 4.

  vxmesh status --check || echo "not well: $?"
  vxmesh wait --for peer:nas --timeout 30s && rsync -a /srv nas:
`

const filtersHelp = `Lists of the terminal UI are narrowed with one language, after the key /

  word            any cell contains it; upper and lower case are the same
  key:a           the cell of that column is a; key:a,b is a or b
  key>5  key<5    it is more, or less; key>=5, key<=5
  /regex/         any cell matches the regular expression
  !what           what does not hold

All that is written must hold, with blanks in between. Columns are those of the list.

  state:relayed rtt>50        relayed peers that are more than 50 ms away
  kind:learned,static !vxm0   addresses that are not behind vxm0

The commands print whole lists. In scripts, take what you want from their JSON:

  vxmesh peers --json | jq -r '.peers[] | select(.state == "relayed").name'
  vxmesh fdb --json | jq '.entries[] | select(.port.name == "nas").mac'
`

const jsonHelp = `Every command that prints data prints it as JSON with --json: one object, indented. Those that
go on (events, log, status --watch) print an object a line.

  - The first key, schema, says what it is and in which version: vxmesh.status/1. Fields are only
    ever added within a version.
  - Keys are snake_case and end in their unit: rtt_seconds, rx_bytes. Ratios are 0 to 1.
  - Times are RFC 3339. A list is never null.
  - Errors go to standard error: {"error":{"code","message","fix","details","exit"}}; the codes are
    those of vxmesh help exit-codes.

A JSON Schema (draft 2020-12) for each is in docs/schemas of the source, and where the package was
installed in /usr/share/doc/vxmesh/schemas. vxmesh help --json prints all commands and their flags.

  vxmesh status --json | jq .state
  vxmesh events --json | jq -c 'select(.type == "peer_state").peer | {name, state}'
`

const environmentHelp = `These variables are looked at. Keys and invitations never are.

  VXMESH_NETWORK    the network, for --network
  VXMESH_SOCKET     path of the control socket, for --socket
  NO_COLOR          set: no colours
  TERM=dumb         nothing moves on the terminal
  LC_ALL, LC_CTYPE, LANG
                    without UTF-8: nothing but ASCII is drawn
  GOMAXPROCS        how many processors a node's scheduler uses
  XDG_STATE_HOME, XDG_RUNTIME_DIR
                    of users who are not root: see vxmesh help paths

A --network, a --socket or a NETWORK on the command line makes the first two count for nothing.
Which file join runs is always said on the command line.

  VXMESH_NETWORK=home vxmesh peers
`

const pathsHelp = `Files, on Linux; NETWORK is the name of the network

  /etc/vxmesh/NETWORK.toml        its config: vxmesh config example, man 5 vxmesh.toml
  /var/lib/vxmesh/NETWORK/        its state: identity.key, network.key, membership.json, ...
                                  keys are readable by their owner alone
  /run/vxmesh/NETWORK.sock        its control socket

For users who are not root, but for that of the service, the last two are
$XDG_STATE_HOME/vxmesh/NETWORK (~/.local/state) and $XDG_RUNTIME_DIR/vxmesh/NETWORK.sock. They may have
configs of their own, which come first: $XDG_CONFIG_HOME/vxmesh/networks/NETWORK.toml (~/.config); init
and join write there with --userspace and --relay-only. FreeBSD has the machine's configs in
/usr/local/etc/vxmesh, Windows in %ProgramData%\vxmesh.
network.state and control.socket of the config say otherwise; so does --socket.

Ways to a peer, as in vxmesh peers

  udp4, udp6   directly, by IPv4 or IPv6
  relay        another node passes on what is for it, and cannot read it

  vxmesh why nas              the way in use, and what keeps it from being better
  vxmesh ping nas --paths     all the ways there are
`
