package portmap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// errNoIGD is what a search ends in that nobody answered.
var errNoIGD = errors.New("the router does not answer UPnP")

const (
	ssdpPort = 1900
	// searchPatience is how long a search goes on: routers may wait before they answer.
	searchPatience = 2 * time.Second
)

// ssdpGroup is where routers listen for searches (UPnP Device Architecture 1.1, 1.3.2).
var ssdpGroup = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), ssdpPort)

// searchTargets are the devices looked for. A router of the second kind should answer to the first
// as well, but does not always.
var searchTargets = [...]string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
}

// searching is the talk that finds a router's description. It is asked at its own address as well,
// for some access points drop multicasts.
type searching struct {
	gateway  netip.Addr
	location *url.URL
}

func (s *searching) due() []datagram {
	var out []datagram
	for _, target := range searchTargets {
		for _, to := range [...]netip.AddrPort{ssdpGroup, netip.AddrPortFrom(s.gateway, ssdpPort)} {
			out = append(out, datagram{to, fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: %s\r\n"+
				"MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: %s\r\n\r\n", to, target)})
		}
	}
	return out
}

// take takes an answer of the router itself that points to the router itself.
func (s *searching) take(b []byte, from netip.AddrPort) verdict {
	if from.Addr() != s.gateway {
		return goOn
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		return goOn
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || !isAt(location, s.gateway) {
		return goOn
	}
	s.location = location
	return done
}

// findIGD searches for the router by UPnP and opens it.
func (m *Mapper) findIGD(ctx context.Context, gateway, local netip.Addr) (*igd, error) {
	s := &searching{gateway: gateway}
	if err := m.converse(ctx, local, searchPatience, s); err != nil {
		return nil, err
	}
	if s.location == nil {
		return nil, errNoIGD
	}
	return openIGD(ctx, m.web(gateway, local), s.location)
}
