package screen

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// Texts are the words of the commands that say the same as a page's action; the program gives them, so
// that both say it alike.
type Texts struct {
	Why      func(control.Why) string
	Paths    func(control.PingPaths) string
	Netcheck func(control.Netcheck) string
}

// quoted is a name as a shell takes it for one word.
func quoted(name string) string {
	name = view.Clean(name)
	if name != "" && !strings.ContainsFunc(name, special) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// special reports whether a shell might take a character for something else than a part of a word.
func special(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !letter && !strings.ContainsRune("._:-", c)
}

func netcheck(*UI) Effect {
	return Do{
		What: "netcheck", CLI: "vxmesh netcheck",
		Run: func(ctx context.Context, c control.Client) (any, error) { return c.Netcheck(ctx) },
		Then: func(u *UI, result any) Effect {
			u.read("How this machine is connected", u.Texts.Netcheck(result.(control.Netcheck)), "")
			return nil
		},
	}
}

// why says how a peer is reached, and what holds a better way back.
func why(peer string) Effect {
	return Do{
		What: "why " + peer, CLI: "vxmesh why " + quoted(peer),
		Run: func(ctx context.Context, c control.Client) (any, error) { return c.Why(ctx, peer) },
		Then: func(u *UI, result any) Effect {
			u.read(peer, u.Texts.Why(result.(control.Why)), "")
			return nil
		},
	}
}

// pingPaths tries every way to a peer.
func pingPaths(peer string) Effect {
	return Do{
		What: "ping " + peer, CLI: "vxmesh ping " + quoted(peer) + " --paths",
		Run: func(ctx context.Context, c control.Client) (any, error) {
			return c.PingPaths(ctx, control.PingRequest{Peer: peer, TimeoutSeconds: 3})
		},
		Then: func(u *UI, result any) Effect {
			u.read("Ways to "+peer, u.Texts.Paths(result.(control.PingPaths)), "")
			return nil
		},
	}
}

// removePeer asks for the name before it removes a member for good.
func (u *UI) removePeer(p *mirror.Peer) Effect {
	name := p.Name
	u.ask(question{
		title: "Remove " + name + " from " + u.Net.Status.Network + "?",
		lines: []string{
			"Its keys never come back: to be a member again it needs a new invitation and new keys. " +
				"The others talk to it no more as soon as they hear of it.",
		},
		yes: "remove it", typed: name,
		then: func(*UI) Effect {
			return Do{
				What: "remove " + name, CLI: "vxmesh peer remove " + quoted(name),
				Run: func(ctx context.Context, c control.Client) (any, error) { return c.RemoveMember(ctx, name) },
			}
		},
	})
	return nil
}

// A copier is a page that has something to copy.
type copier interface {
	copies(u *UI) []menuItem
}

// copied is an item of the menu of what can be copied.
func copied(key, name, value string) menuItem {
	return menuItem{key, name, value, func(*UI) Effect { return Copy{value, name} }}
}

func copyMenu(u *UI) Effect {
	m := &menu{title: "Copy"}
	if c, ok := u.bodies[u.page].(copier); ok {
		m.items = c.copies(u)
	}
	if len(m.items) == 0 {
		m.items = []menuItem{
			copied("n", "network", u.Net.Status.Network), copied("i", "id of this node", u.Net.Status.Node.ID),
			copied("c", "command", "vxmesh status"), copied("j", "JSON", jsonOf(u.Net.Status)),
		}
	}
	u.open(m)
	return nil
}

func jsonOf(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// An exporter is a page whose rows can be saved: the first are the titles.
type exporter interface {
	export(u *UI) (name string, rows [][]string)
}

func exportShown(u *UI) Effect {
	e, ok := u.bodies[u.page].(exporter)
	if !ok {
		u.Say(view.Dim, "there are no rows here to save; C saves a picture")
		return nil
	}
	name, rows := e.export(u)
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.WriteAll(rows) // a strings.Builder takes everything
	return Save{fmt.Sprintf("vxmesh-%s-%s.csv", name, u.Now.Format("20060102-150405")), []byte(b.String())}
}

// screenshot saves the frame that is shown: as a picture, and as a terminal shows it.
func screenshot(u *UI) Effect {
	name, c := "vxmesh-"+u.Now.Format("20060102-150405"), u.Draw()
	return Effects{
		Save{name + ".ansi", []byte(c.Render(u.Look) + "\n")}, Save{name + ".svg", []byte(c.SVG())},
	}
}
