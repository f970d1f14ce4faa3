package screen

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

// ttls are the times that an invitation can be good for.
var ttls = []struct {
	name string
	d    time.Duration
}{{"1 hour", time.Hour}, {"1 day", 24 * time.Hour}, {"1 week", 7 * 24 * time.Hour}}

// An invite asks for what an invitation needs, shows it, and waits for whoever comes with it.
type invite struct {
	name  input
	admin bool
	ttl   int
	uses  int
	field int // that the keys go to: name, admin, ttl, uses

	asked   bool
	made    *control.InviteResult
	qr      []string
	full    bool // the code alone, for a screen that has no room beside it
	members int  // of the mirror, when it was made
}

const inviteFields = 4

func (u *UI) openInvite() Effect {
	if u.mayChange() {
		u.open(&invite{uses: 1})
	}
	return nil
}

// cli is the command that does the same.
func (d *invite) cli() string {
	line := "vxmesh invite"
	if n := d.name.text(); n != "" {
		line += " --name " + n
	}
	if d.admin {
		line += " --admin"
	}
	if d.uses > 1 {
		line += " --uses " + strconv.Itoa(d.uses)
	}
	return line + " --ttl " + ttls[d.ttl].d.String()
}

func (d *invite) draw(u *UI, screen view.Area) {
	sw, sh := screen.Size()
	title := "Invite a machine to " + u.Net.Status.Network
	if d.made == nil {
		d.drawForm(window(screen, min(sw, 78), 11, title, "esc close"))
		return
	}
	w, h := min(sw, 80), min(sh, 18)
	beside := len(d.qr) > 0 && sw >= 72+view.Width(d.qr[0]) && sh >= len(d.qr)+2
	if beside {
		w, h = 68+view.Width(d.qr[0])+4, max(h, len(d.qr)+2)
	}
	if d.full {
		a := window(screen, min(sw, view.Width(d.qr[0])+4), min(sh, len(d.qr)+2), title, "v back")
		drawQR(a, d.qr)
		return
	}
	a := window(screen, w, h, title, "esc close")
	if beside {
		left, right := a.SplitLeft(66)
		drawQR(right, d.qr)
		a = left
	}
	d.drawMade(u, a, beside)
}

func drawQR(a view.Area, qr []string) {
	for i, l := range qr {
		a.Print(0, i, view.QR, l)
	}
}

func (d *invite) drawForm(a view.Area) {
	label := func(i int, text string) int {
		role := view.Dim
		if d.field == i {
			role = view.Accent
		}
		return a.Print(0, i, role, fmt.Sprintf("%-10s", text))
	}
	x := label(0, "name")
	if x = d.name.draw(a, x, 0, d.field == 0); d.name.empty() {
		a.Print(x+1, 0, view.Dim, "as the machine likes")
	}
	a.Print(label(1, "role"), 1, view.Text, choice(d.admin, "( ) member  (•) admin", "(•) member  ( ) admin"))
	a.Print(label(2, "valid"), 2, view.Text, ttls[d.ttl].name)
	a.Print(label(3, "uses"), 3, view.Text, strconv.Itoa(d.uses))
	a.Print(0, 5, view.Dim, "⇥ next   ←→ change   ⏎ make the invitation")
	a.Print(0, 7, view.Dim, "$ sudo "+d.cli())
}

func choice[T any](is bool, yes, no T) T {
	if is {
		return yes
	}
	return no
}

func (d *invite) drawMade(u *UI, a view.Area, beside bool) {
	w, _ := a.Size()
	y := 0
	say := func(role view.Role, text string) {
		for _, l := range view.Wrap(text, w) {
			a.Print(0, y, role, l)
			y++
		}
	}
	say(view.Text, "On the new machine run:")
	y++
	say(view.Title, "sudo vxmesh join "+d.made.Token)
	y++
	keys := "y copy the command   s save to a file"
	if !beside && len(d.qr) > 0 {
		keys += "   v show a QR code"
	}
	a.Print(0, y, view.Accent, keys)
	y += 2
	say(view.Dim, "It holds the network's id, this node's key and addresses, and a secret that lets "+
		"one in. Not the network's key. Who has the line can join: send it as you would a password.")
	y++
	left := d.made.Expires.Sub(u.Now)
	switch {
	case u.Net.Members > d.members && u.Net.Joined != "":
		say(view.Good, "● "+u.Net.Joined+" is in")
	case left <= 0:
		say(view.Warn, "expired")
	default:
		say(view.Text, "◌ waiting for a machine … expires in "+view.Age(left.Truncate(time.Minute)))
	}
	y++
	a.Print(0, y, view.Dim, "esc back, the invitation stays good   X revoke it")
}

func (d *invite) key(u *UI, k Key) Effect {
	if d.made != nil {
		return d.keyMade(u, k)
	}
	switch k.Name {
	case "esc":
		u.close()
	case "tab", "down":
		d.field = (d.field + 1) % inviteFields
	case "shift+tab", "up":
		d.field = (d.field + inviteFields - 1) % inviteFields
	case "enter":
		return d.make()
	case "left", "right":
		if d.field > 0 {
			d.change(k.Name == "right")
			return nil
		}
		d.name.key(k)
	default:
		if d.field == 0 {
			d.name.key(k)
		} else if k.Name == "space" {
			d.change(true)
		}
	}
	return nil
}

func (d *invite) change(up bool) {
	step := -1
	if up {
		step = 1
	}
	switch d.field {
	case 1:
		d.admin = !d.admin
	case 2:
		d.ttl = (d.ttl + step + len(ttls)) % len(ttls)
	case 3:
		d.uses = max(1, min(d.uses+step, 100))
	}
}

// make asks for the invitation, once: enter may be pressed again before it has come.
func (d *invite) make() Effect {
	if d.asked {
		return nil
	}
	d.asked = true
	req := control.InviteRequest{
		Name: d.name.text(), TTLSeconds: ttls[d.ttl].d.Seconds(), Uses: d.uses, Admin: d.admin,
	}
	return Do{
		What: "make an invitation", CLI: d.cli(),
		Run: func(ctx context.Context, c control.Client) (any, error) { return c.Invite(ctx, req) },
		Then: func(u *UI, result any) Effect {
			r := result.(control.InviteResult)
			d.made, d.members = &r, u.Net.Members
			d.qr, _ = view.QRCode(r.Token) // one that is too long has none
			if !slices.Contains(u.dialogs, dialog(d)) {
				u.open(d) // it was closed in the meantime, and is an invitation all the same
			}
			return nil
		},
		Fail: func(u *UI, err error) Effect {
			d.asked = false
			u.fail("make an invitation", err)
			return nil
		},
	}
}

func (d *invite) keyMade(u *UI, k Key) Effect {
	switch k.Name {
	case "y":
		return Copy{"sudo vxmesh join " + d.made.Token, "the command"}
	case "s":
		return Save{"invitation-" + d.made.ID, []byte(d.made.Token + "\n")}
	case "v":
		d.full = !d.full && len(d.qr) > 0
	case "X":
		id := d.made.ID
		u.close()
		return Do{
			What: "revoke the invitation", CLI: "vxmesh invite revoke " + id,
			Run: func(ctx context.Context, c control.Client) (any, error) { return c.RevokeInvitation(ctx, id) },
		}
	case "esc", "q", "b":
		if d.full {
			d.full = false
			return nil
		}
		u.close()
	}
	return nil
}

func (d *invite) paste(_ *UI, text string) {
	if d.made == nil && d.field == 0 {
		d.name.insert(text)
	}
}

func (d *invite) click(*UI, Click) Effect { return nil }
