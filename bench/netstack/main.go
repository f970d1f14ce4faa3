// Command netstack is what the bench compares vxmesh's userspace devices with: wireguard-go on gVisor's stack, as its
// package tun/netstack and those who build on it join the two, with a port that is passed on in each direction.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

// mtu is that of wireguard-go's own device.
const mtu = 1420

const usage = `usage: netstack SETTINGS ADDRESS PORT TO FROM FAR
joins WireGuard as the host ADDRESS, with the SETTINGS of its configuration protocol in a file; passes connections
to the host's :PORT on to TO, and connections to FROM, of this machine, on to FAR in the network
`

func main() {
	if len(os.Args) != 7 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "netstack:", err)
		os.Exit(1)
	}
}

func run(file, address string, ways []string) error {
	settings, err := os.Open(file)
	if err != nil {
		return err
	}
	defer settings.Close()
	own, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	tun, stack, err := netstack.CreateNetTUN([]netip.Addr{own}, nil, mtu)
	if err != nil {
		return err
	}
	dev := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, "netstack: "))
	defer dev.Close()
	if err := errors.Join(dev.IpcSetOperation(settings), dev.Up()); err != nil {
		return err
	}
	at, err := net.ResolveTCPAddr("tcp", ways[0])
	if err != nil {
		return err
	}
	published, err := stack.ListenTCP(at)
	if err != nil {
		return err
	}
	forwarded, err := net.Listen("tcp", ways[2])
	if err != nil {
		return err
	}
	go serve(published, func() (net.Conn, error) { return net.Dial("tcp", ways[1]) })
	go serve(forwarded, func() (net.Conn, error) { return stack.Dial("tcp", ways[3]) })
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

// serve passes on what a listener accepts.
func serve(l net.Listener, dial func() (net.Conn, error)) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer near.Close()
			far, err := dial()
			if err != nil {
				fmt.Fprintln(os.Stderr, "netstack:", err)
				return
			}
			defer far.Close()
			var both sync.WaitGroup
			both.Go(func() { pass(far, near) })
			both.Go(func() { pass(near, far) })
			both.Wait()
		}()
	}
}

// pass copies until the end, and passes that on, too.
func pass(to, from net.Conn) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 64<<10))
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
