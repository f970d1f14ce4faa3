package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// warnings are what a member has to say in status.
func (c *membership) warnings() (out []control.Warning) {
	if c.revoke != nil {
		out = append(out, revokedWarning())
	}
	out = append(out, c.addressWarnings()...)
	if c.clockWrong != "" {
		out = append(out, control.Warning{
			Code: "clock_implausible", Message: "the time of day cannot be right: " + c.clockWrong +
				"; sessions go on, nobody new is let in",
			Fix: "set the clock: timedatectl",
		})
	}
	if c.keepError != "" {
		out = append(out, control.Warning{
			Code: "state_not_kept", Message: c.keepError, Fix: "make room in the state directory, or make it writable",
		})
	}
	if c.issueError != "" {
		out = append(out, control.Warning{
			Code: "cannot_issue", Message: "an invitation could not be redeemed: " + c.issueError,
			Fix: "make room in the state directory, or make it writable; the joiner can try again",
		})
	}
	if left := c.own().NotAfter.Sub(c.Wall()); c.clockWrong == "" && left < roster.ExpiryWarning {
		out = append(out, expiryWarning(c.own().NotAfter, left))
	}
	return out
}

func expiryWarning(at time.Time, left time.Duration) control.Warning {
	words := "this node's certificate expires on " + at.UTC().Format(time.DateOnly)
	if left <= 0 {
		words = "this node's certificate expired on " + at.UTC().Format(time.DateOnly)
	}
	return control.Warning{
		Code: "certificate_expiring", Message: words,
		Fix: "start an admin's node: it renews certificates of all that it reaches",
	}
}

func revokedWarning() control.Warning {
	return control.Warning{
		Code: "revoked", Message: "this node was removed from the network: nobody talks to it any more",
		Fix: "ask an admin for a new invitation, then: vxmesh leave, vxmesh join",
	}
}
