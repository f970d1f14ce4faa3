package portmap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// Codes of UPnP's errors: WANIPConnection:2, 2.5.
const (
	noSuchEntry    = 714
	portConflict   = 718
	onlyPermanents = 725
)

// morePorts is how many ports after the one wanted are tried when that is somebody else's.
const morePorts = 3

// description is what the owner of the router reads in its list of mappings.
const description = "vxmesh"

// A connection is what the three services that map ports have in common.
type connection interface {
	AddPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string,
		internal uint16, client string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, external uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, external uint16,
		protocol string) (internal uint16, client string, enabled bool, description string,
		lease uint32, err error)
}

// An igd is a router that speaks UPnP, by the connection of it that has an outer address.
type igd struct {
	connection
	outer netip.Addr
}

// openIGD reads a router's description and finds the connection in use: routers often describe one
// over PPP and one over IP, and only one of them is up.
func openIGD(ctx context.Context, client *http.Client, location *url.URL) (*igd, error) {
	root, err := describe(ctx, client, location)
	if err != nil {
		return nil, fmt.Errorf("read the router's description: %w", err)
	}
	err = errors.New("its description has no connection that maps ports")
	for _, c := range connections(client, root, location) {
		var outer netip.Addr
		if outer, err = outerOf(ctx, c); err == nil {
			return &igd{c, outer}, nil
		}
	}
	return nil, err
}

func describe(ctx context.Context, client *http.Client, location *url.URL) (*goupnp.RootDevice, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with %s", resp.Status)
	}
	root := new(goupnp.RootDevice)
	d := xml.NewDecoder(resp.Body)
	d.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := d.Decode(root); err != nil {
		return nil, err
	}
	base := location
	if root.URLBaseStr != "" {
		if base, err = url.Parse(root.URLBaseStr); err != nil {
			return nil, err
		}
	}
	root.SetURLBase(base)
	return root, nil
}

// connections lists what maps ports, the newest kind first, each speaking through the client.
func connections(client *http.Client, root *goupnp.RootDevice, location *url.URL) []connection {
	var all []connection
	add := func(c connection, s *soap.SOAPClient) {
		s.HTTPClient = *client
		if len(all) < 8 {
			all = append(all, c)
		}
	}
	ip2, _ := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, location)
	for _, c := range ip2 {
		add(c, c.SOAPClient)
	}
	ip1, _ := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, location)
	for _, c := range ip1 {
		add(c, c.SOAPClient)
	}
	ppp, _ := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, location)
	for _, c := range ppp {
		add(c, c.SOAPClient)
	}
	return all
}

// outerOf asks for the outer address.
func outerOf(ctx context.Context, c connection) (netip.Addr, error) {
	text, err := c.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask for the outer address: %w", err)
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !canBeOuter(netip.AddrPortFrom(a, 1)) {
		return netip.Addr{}, fmt.Errorf("the router has no outer address (%.40q)", text)
	}
	return a, nil
}

// add asks for a mapping of the port wanted, or of one of the next when it is somebody else's.
func (g *igd) add(ctx context.Context, wanted, internal uint16, local netip.Addr,
	lifetime time.Duration,
) (grant, error) {
	lease := uint32(lifetime / time.Second)
	var err error
	for port := wanted; port >= wanted && port-wanted <= morePorts; port++ {
		err = g.addOne(ctx, port, internal, local, lease)
		if code(err) == onlyPermanents && lease != 0 {
			lease = 0
			err = g.addOne(ctx, port, internal, local, lease)
		}
		if err == nil {
			return grant{
				protocol: "upnp", external: netip.AddrPortFrom(g.outer, port),
				lifetime: lifetime, isFixed: lease == 0, igd: g,
			}, nil
		}
		if code(err) != portConflict {
			break
		}
	}
	return grant{}, fmt.Errorf("ask for a mapping by UPnP: %w", err)
}

func (g *igd) addOne(ctx context.Context, port, internal uint16, local netip.Addr, lease uint32) error {
	return g.AddPortMappingCtx(ctx, "", port, "UDP", internal, local.String(), true, description, lease)
}

// lost tells whether the router has another outer address by now, or the mapping no more. A router
// that does not say keeps the benefit of the doubt.
func (g *igd) lost(ctx context.Context, external netip.AddrPort, internal uint16, local netip.Addr) bool {
	if outer, err := outerOf(ctx, g); err == nil && outer != external.Addr() {
		return true
	}
	port, client, enabled, _, _, err := g.GetSpecificPortMappingEntryCtx(ctx, "", external.Port(), "UDP")
	if err != nil {
		return code(err) == noSuchEntry
	}
	return !enabled || port != internal || client != local.String()
}

// code is the number of UPnP's error, 0 when it is none.
func code(err error) int {
	if fault, ok := errors.AsType[*soap.SOAPFaultError](err); ok {
		return fault.Detail.UPnPError.Errorcode
	}
	return 0
}

// renew asks for the same again, at the outer address that the router has now.
func (g *igd) renew(ctx context.Context, wanted uint16, o Options, local netip.Addr) (grant, error) {
	outer, err := outerOf(ctx, g)
	if err != nil {
		return grant{}, err
	}
	now := &igd{g.connection, outer}
	return now.add(ctx, wanted, o.Port, local, o.Lifetime)
}
