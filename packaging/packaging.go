// Package packaging holds the files that have vxmesh run as a service, as packages install them. They
// are in the program as well: who copied one file gets the same service with `vxmesh service install`.
package packaging

import "embed"

// Files are the templates of services. In those of a single network NETWORK stands for its name.
//
//go:embed systemd/vxmesh@.service systemd/sysusers.conf openrc/vxmesh launchd rc.d
var Files embed.FS
