package screen

import (
	"context"
	"fmt"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

func (p *peersPage) commands() []*Command {
	do := func(f func(u *UI, v *mirror.Peer) Effect) func(*UI) Effect {
		return func(u *UI) Effect {
			if v, ok := p.selected(u); ok {
				return f(u, v)
			}
			return nil
		}
	}
	line := func(format string) func(*UI) string {
		return func(u *UI) string {
			if v, ok := p.selected(u); ok {
				return fmt.Sprintf(format, quoted(v.Name))
			}
			return ""
		}
	}
	list := []*Command{
		{ID: "peer.details", Keys: []string{"enter"}, Name: "details and ways", Short: "details", Run: p.open},
		{ID: "peer.why", Keys: []string{"x"}, Name: "why it is reached so", Short: "why", Run: do(p.explain)},
		{ID: "peer.ping", Keys: []string{"P"}, Name: "ping all paths", Short: "ping", Run: do(ping)},
		{ID: "peer.reconnect", Keys: []string{"R"}, Name: "reconnect: punch again", Short: "reconnect", Run: p.reconnect},
		{ID: "peer.macs", Keys: []string{"f"}, Name: "its MACs", Short: "MACs", Run: do(showMACs)},
		{ID: "peer.pause", Keys: []string{"d"}, Name: "pause, resume", Short: "pause", Run: p.pause},
		{ID: "peer.remove", Keys: []string{"D"}, Name: "remove from the network", Short: "remove", Run: do(remove)},
		{ID: "peer.rename", Keys: []string{"n"}, Name: "rename", Short: "rename", Run: do(p.rename)},
		{ID: "peer.zoom", Keys: []string{"z"}, Name: "details on the whole page", Short: "zoom", Run: p.zoom},
		{ID: "peer.down", Keys: []string{"J", "shift+down"}, Name: "scroll the details down", Run: p.detail.scroll(1)},
		{ID: "peer.up", Keys: []string{"K", "shift+up"}, Name: "scroll the details up", Run: p.detail.scroll(-1)},
	}
	lines := map[string]func(*UI) string{
		"peer.details": line("vxmesh peer show %s"), "peer.why": line("vxmesh why %s"),
		"peer.ping": line("vxmesh ping %s --paths"), "peer.reconnect": p.changeLine("reconnect"),
		"peer.macs": cli("vxmesh fdb show"), "peer.pause": p.pauseLine,
		"peer.remove": line("vxmesh peer remove %s"), "peer.rename": line("vxmesh peer rename %s NAME"),
	}
	for _, c := range list {
		c.Page, c.CLI = Peers, lines[c.ID]
	}
	return list
}

func ping(_ *UI, v *mirror.Peer) Effect { return pingPaths(v.Name) }

func showMACs(u *UI, v *mirror.Peer) Effect {
	u.showMACs(v.Name)
	return nil
}

// open shows the details, and then nothing but them.
func (p *peersPage) open(*UI) Effect {
	p.detail.zoom = p.detail.open && !p.detail.zoom
	p.detail.open = true
	return nil
}

func (p *peersPage) zoom(*UI) Effect {
	p.detail.zoom = !p.detail.open || !p.detail.zoom
	p.detail.open = true
	return nil
}

// showMACs goes to the addresses that are behind a peer.
func (u *UI) showMACs(peer string) {
	peer = strings.ReplaceAll(peer, `"`, "")
	if strings.ContainsFunc(peer, special) || peer == "" {
		peer = `"` + peer + `"`
	}
	if page, ok := u.bodies[FDB].(interface{ setFilter(text string) }); ok {
		page.setFilter("port=" + peer)
	}
	u.Show(FDB)
}

// chosen are the names of the peers that a change is for: those that are marked, or the one under the
// cursor.
func (p *peersPage) chosen(u *UI) (peers []*mirror.Peer) {
	p.refresh(u)
	return p.list.chosen()
}

func namesOf(peers []*mirror.Peer) (names []string) {
	for _, v := range peers {
		names = append(names, v.Name)
	}
	return names
}

// A peerChange is one of the client's methods that change a peer.
type peerChange func(c control.Client, ctx context.Context, peer string) (control.PeerResult, error)

// changePeers does the same to some peers, as far as it goes. The first error is the one that is told.
func changePeers(verb string, names []string, change peerChange) Do {
	what := verb + " " + strings.Join(names, ", ")
	if len(names) > 3 {
		what = fmt.Sprintf("%s %d peers", verb, len(names))
	}
	return Do{
		What: what, CLI: changeLine(verb, names),
		Run: func(ctx context.Context, c control.Client) (any, error) {
			var failed error
			for _, name := range names {
				if _, err := change(c, ctx, name); err != nil && failed == nil {
					failed = err
				}
			}
			return nil, failed
		},
	}
}

// changeLine is the command line for it.
func changeLine(verb string, names []string) string {
	lines := make([]string, len(names))
	for i, name := range names {
		lines[i] = "vxmesh peer " + verb + " " + quoted(name)
	}
	return strings.Join(lines, " && ")
}

func (p *peersPage) changeLine(verb string) func(*UI) string {
	return func(u *UI) string { return changeLine(verb, namesOf(p.chosen(u))) }
}

func (p *peersPage) reconnect(u *UI) Effect {
	names := namesOf(p.chosen(u))
	if len(names) == 0 || !u.mayChange() {
		return nil
	}
	return changePeers("reconnect", names, control.Client.ReconnectPeer)
}

// pausing gives the peers that d is for, and what it does to them: it pauses those that are not, or else
// resumes all.
func (p *peersPage) pausing(u *UI) (names []string, pause bool) {
	chosen := p.chosen(u)
	for _, v := range chosen {
		if v.State != mirror.Paused {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		return names, true
	}
	return namesOf(chosen), false
}

func (p *peersPage) pauseLine(u *UI) string {
	names, pause := p.pausing(u)
	return changeLine(choice(pause, "pause", "resume"), names)
}

func (p *peersPage) pause(u *UI) Effect {
	names, pause := p.pausing(u)
	if len(names) == 0 || !u.mayChange() {
		return nil
	}
	do := changePeers("pause", names, control.Client.PausePeer)
	back := changePeers("resume", names, control.Client.ResumePeer)
	if !pause {
		do, back = back, do
	}
	do.Undo = &back
	return do
}

func remove(u *UI, v *mirror.Peer) Effect {
	if !u.mayChange() {
		return nil
	}
	return u.removePeer(v)
}

// rename asks for another name, and follows the peer when it has it.
func (p *peersPage) rename(u *UI, v *mirror.Peer) Effect {
	if !u.mayChange() {
		return nil
	}
	old := v.Name
	u.open(&prompt{
		title: "Rename " + old, label: "new name", hint: "1 to 32 of a-z, 0-9 and -; all members hear of it",
		check: func(text string) string { return u.wrongName(old, text) },
		then: func(_ *UI, name string) Effect {
			return Do{
				What: "rename " + old + " to " + name,
				CLI:  "vxmesh peer rename " + quoted(old) + " " + quoted(name),
				Run: func(ctx context.Context, c control.Client) (any, error) {
					return c.RenameMember(ctx, old, name)
				},
				Then: func(u *UI, result any) Effect {
					p.follow = result.(control.Renamed).Name
					u.Say(view.Good, old+" is "+p.follow+" now")
					return nil
				},
			}
		},
	})
	return nil
}

// badName says why nothing can be called so.
func badName(name string) string {
	bad := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }
	if len(name) > 32 || strings.ContainsFunc(name, bad) || strings.Trim(name, "-") != name {
		return "a name is 1 to 32 of a-z, 0-9 and -, with no - at either end"
	}
	return ""
}

// wrongName says why a peer cannot have a name; "" if nothing is known to speak against it.
func (u *UI) wrongName(old, name string) string {
	wrong := badName(name)
	switch {
	case wrong != "":
		return wrong
	case name == old:
		return "that is its name already"
	case u.Net.Peer(name) != nil || name == u.Net.Status.Node.Name:
		return name + " is the name of another member"
	}
	return ""
}

// explain says why a peer is reached as it is; the answer serves the details, too.
func (p *peersPage) explain(_ *UI, v *mirror.Peer) Effect {
	do, name, of := why(v.Name).(Do), v.Name, circumstances(v)
	say := do.Then
	do.Then = func(u *UI, result any) Effect {
		p.detail.keep(u, name, answer{of: of, why: result.(control.Why), at: u.Now})
		return say(u, result)
	}
	return do
}
