package tundev

import (
	"errors"
	"runtime"
	"strings"
)

// Hints gives at most three lines of what a person can do about an error of [Open] or
// [Device.Reconfigure], most likely first; none when there is nothing to advise.
func Hints(err error) []string { return hintsOn(runtime.GOOS, err) }

// hintsOn gives those for a system, by Go's name for it.
func hintsOn(system string, err error) []string {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	for _, kind := range []error{ErrPermission, ErrInUse, ErrNoBridge, ErrNoTun} {
		if !errors.Is(err, kind) {
			continue
		}
		lines := hints[system][kind]
		out := make([]string, len(lines))
		for i, line := range lines {
			out[i] = strings.NewReplacer("{name}", e.Name, "{kind}", string(e.kind())).Replace(line)
		}
		return out
	}
	return nil
}

// kind is that of the device which could not be created.
func (e *Error) kind() Kind {
	if e.Op == "create tun device" {
		return TUN
	}
	return TAP
}

const (
	chooseName   = "or choose another          name in [segments.device]"
	chooseBridge = "or choose another          bridge in [segments.device]"
	ipOnly       = `or carry only IP           kind = "tun" in [segments.device]`
	asRoot       = "run it as root             sudo vxmesh join NETWORK"
)

// hints are for each system and kind of error. {name} is the interface's or the bridge's.
var hints = map[string]map[error][]string{
	"linux": {
		ErrPermission: {
			asRoot,
			"or give the capability     sudo setcap cap_net_admin+ep $(command -v vxmesh)",
			"or lend it a device        sudo ip tuntap add {name} mode {kind} user $USER",
		},
		ErrInUse: {
			"see what has the name      ip -d link show {name}",
			"see which process has it   sudo grep -l 'iff:.*{name}' /proc/[0-9]*/fdinfo/*",
			chooseName,
		},
		ErrNoBridge: {
			"make it             sudo ip link add {name} type bridge",
			"and set it up       sudo ip link set {name} up",
			"or choose another   bridge in [segments.device]; see ip link show type bridge",
		},
		ErrNoTun: {
			"load the driver             sudo modprobe tun",
			"or hand it to a container   --device /dev/net/tun --cap-add NET_ADMIN",
		},
	},
	"freebsd": {
		ErrPermission: {asRoot},
		ErrInUse: {
			"see what has the name      ifconfig {name}",
			"see which process has it   fstat /dev/{name}",
			chooseName,
		},
		ErrNoBridge: {
			"make it                    sudo ifconfig bridge create name {name}",
			"and set it up              sudo ifconfig {name} up",
			chooseBridge,
		},
		ErrNoTun: {
			"load the driver            sudo kldload if_tuntap",
			"and at each start          sudo sysrc kld_list+=if_tuntap",
			"in a jail                  it needs a VNET and /dev/tap by devfs rules",
		},
	},
	"openbsd": {
		ErrPermission: {"run it as root             doas vxmesh join NETWORK"},
		ErrInUse: {
			"see what has the name      ifconfig {name}",
			"see which process has it   fstat | grep tap",
			chooseName,
		},
		ErrNoBridge: {
			"make it                    doas ifconfig {name} create; it is called vebN or bridgeN",
			"and set it up              doas ifconfig {name} up",
			chooseBridge,
		},
		ErrNoTun: {
			"make the file              cd /dev && doas sh MAKEDEV tap0 tap1 tap2 tap3",
			ipOnly,
		},
	},
	"darwin": {
		ErrPermission: {asRoot, "or run it as a service     sudo vxmesh service install NETWORK"},
		ErrInUse: {
			"see what has the name      ifconfig {name}",
			chooseName + "; any but fethN lets macOS choose",
		},
		ErrNoBridge: {
			"make it                    sudo ifconfig {name} create; it is called bridgeN",
			"and set it up              sudo ifconfig {name} up",
			chooseBridge,
		},
		ErrNoTun: {ipOnly},
	},
	"windows": {
		ErrPermission: {
			"run it as administrator    in a prompt of Start, Run as administrator",
			"or run it as a service     vxmesh service install NETWORK",
		},
		ErrInUse: {
			"see the adapters           netsh interface show interface",
			"or make another            tapctl create --name {name}",
			ipOnly,
		},
		ErrNoTun: {
			"install the driver         tap-windows6, which comes with OpenVPN's installer",
			"and make an adapter        tapctl create --name {name}",
			ipOnly,
		},
	},
}
