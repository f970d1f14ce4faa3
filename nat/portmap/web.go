package portmap

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// What an IGD gets of us.
const (
	webPatience  = 3 * time.Second
	webBodyLimit = 256 << 10
	webHeadLimit = 16 << 10
)

// web is an HTTP client that speaks to the router and to nobody else, wherever a description or a
// redirection points: what comes from the LAN must not send this host's requests elsewhere.
func (m *Mapper) web(gateway, local netip.Addr) *http.Client {
	dial := m.opts.DialContext
	if dial == nil {
		dial = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}}).DialContext
	}
	return &http.Client{
		Timeout: webPatience,
		Transport: &onlyGateway{gateway: gateway, next: &http.Transport{
			DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: webHeadLimit,
		}},
	}
}

// onlyGateway lets requests to one address through and bounds what comes back.
type onlyGateway struct {
	gateway netip.Addr
	next    http.RoundTripper
}

func (o *onlyGateway) RoundTrip(req *http.Request) (*http.Response, error) {
	if !isAt(req.URL, o.gateway) {
		return nil, fmt.Errorf("%s is not at the router %s", req.URL.Redacted(), o.gateway)
	}
	resp, err := o.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, webBodyLimit}
	return resp, nil
}

// isAt tells whether a URL is plain HTTP to the address, written as such: a name could be anybody.
func isAt(u *url.URL, gateway netip.Addr) bool {
	host, err := netip.ParseAddr(u.Hostname())
	return err == nil && u.Scheme == "http" && host.Unmap() == gateway
}

// A boundedBody ends in an error after so many bytes; an end like any other would pass for a whole
// document.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the router says more than %d bytes", webBodyLimit)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
