package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A pingMTU is what `ping --mtu --json` prints.
type pingMTU struct {
	Schema  string `json:"schema"`
	Peer    string `json:"peer"`
	Remote  string `json:"remote"`  // address:port that answered
	Carries int    `json:"carries"` // bytes of the largest outer IP packet whose echo came back
	InUse   int    `json:"in_use"`  // that the node sends at most now; 0 when not known
}

// What a path carries is looked for between these, in bytes: every IPv4 host takes the one (RFC 791,
// section 3.2), no Ethernet carries more than the other.
const (
	leastMTU = 576
	mostMTU  = 9216

	mtuTries   = 2 // an echo that is lost by itself must not count as one too large
	mtuTimeout = 400 * time.Millisecond
)

// mtu finds what the path carries now, by echoes of different sizes.
func (p *pinger) mtu(cmd *cobra.Command, g *globals) error {
	ctx := cmd.Context()
	first, err := p.client.Ping(ctx, p.request)
	if err != nil {
		return err
	}
	show := newProgress(cmd, g, false)
	defer show.close()
	r := pingMTU{Schema: "vxmesh.ping_mtu/1", Peer: first.Peer, Remote: first.Remote, InUse: first.MTU}
	name := p.request.Peer
	err = show.try("looking for what the path to "+name+" carries", "path to "+name, func() (err error) {
		r.Carries, err = p.largest(ctx)
		return err
	})
	show.close()
	if err != nil {
		return err
	}
	return answer(cmd.OutOrStdout(), g.json, r, pingMTUText)
}

// largest halves the range of sizes until one is left.
func (p *pinger) largest(ctx context.Context) (int, error) {
	least, most := leastMTU, mostMTU+1 // the one comes back, or nothing does; the other does not
	for most-least > 1 {
		size := (least + most) / 2
		came, err := p.comesBack(ctx, size)
		if err != nil {
			return 0, err
		}
		if came {
			least = size
		} else {
			most = size
		}
	}
	return least, nil
}

func (p *pinger) comesBack(ctx context.Context, size int) (bool, error) {
	request := control.PingRequest{Peer: p.request.Peer, Size: size, TimeoutSeconds: mtuTimeout.Seconds()}
	for range mtuTries {
		_, err := p.client.Ping(ctx, request)
		if err == nil {
			return true, nil
		}
		if ctx.Err() != nil || !isLost(err) {
			return false, err
		}
	}
	return false, nil
}

func pingMTUText(r pingMTU) string {
	text := fmt.Sprintf("%s (%s): the path carries %d bytes", r.Peer, r.Remote, r.Carries)
	switch {
	case r.InUse == 0 || r.InUse == r.Carries:
		return text + "\n"
	case r.InUse < r.Carries:
		return text + fmt.Sprintf("; %d are in use, and more is tried every 10 minutes\n", r.InUse)
	}
	return text + fmt.Sprintf("; %d are in use, which will be noticed within seconds\n", r.InUse)
}
