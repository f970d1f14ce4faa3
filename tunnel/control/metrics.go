package control

import (
	"net/http"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsHandler answers with the Prometheus metrics of a node, of its process and of the Go
// runtime, from a registry of its own. Every scrape asks the backend anew. May be called
// concurrently.
func MetricsHandler(b Backend) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{b},
	)
	// One series that cannot be shown is no reason to show none.
	opts := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	return promhttp.HandlerFor(reg, opts)
}

// A collector turns the backend's status and stats into metrics.
type collector struct{ b Backend }

// Describe implements [prometheus.Collector]; it is empty because the series depend on the
// segments and VTEPs there are.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	status, stats := c.b.Status(), c.b.Stats()
	s := scrape{out: out, network: status.Network}
	s.node(status)
	for _, seg := range status.Segments {
		s.segment(status.Node.ID, seg)
	}
	for _, p := range status.Peers {
		s.peer(p)
	}
	for _, seg := range stats.Segments {
		s.segmentStats(seg)
	}
	for _, v := range stats.VTEPs {
		s.vtepStats(v)
	}
	for _, p := range stats.Peers {
		s.peerStats(p)
	}
	for _, sock := range stats.Sockets {
		s.socketStats(sock)
	}
	for _, p := range stats.Proxies {
		s.proxyStats(p)
	}
}

// A family is the fixed part of a metric; all but build_info have the label network first.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) family {
	return newFamily(prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) family {
	return newFamily(prometheus.CounterValue, name, help, labels)
}

func newFamily(kind prometheus.ValueType, name, help string, labels []string) family {
	labels = append([]string{"network"}, labels...)
	return family{prometheus.NewDesc("vxmesh_"+name, help, labels, nil), kind}
}

var metricBuildInfo = prometheus.NewDesc("vxmesh_build_info", "The program that runs.",
	[]string{"version", "goversion"}, nil)

// The families, named as docs and dashboards know them.
var (
	metricUp          = gauge("up", "1 when the node is up, degraded or not.")
	metricUptime      = gauge("uptime_seconds", "Time since the node started.")
	metricWarnings    = gauge("warnings", "Warnings that hold now.")
	metricReloadOK    = gauge("config_last_reload_successful", "1 when the last reload was taken.")
	metricReloadTime  = gauge("config_last_reload_success_timestamp_seconds", "When what runs was read.")
	metricNetworkInfo = gauge("network_info", "A segment.", "vni", "device", "kind", "id")

	metricDeviceUp  = gauge("device_up", "1 when the segment's device is up.", "vni", "device")
	metricDeviceMTU = gauge("device_mtu_bytes", "IP packet the device takes.", "vni", "device")
	metricVTEPUp    = gauge("vtep_up", "1 when frames are sent to the VTEP.", "vni", "remote")
	metricVTEPMTU   = gauge("vtep_mtu_bytes", "Inner IP packet the path carries.", "vni", "remote")

	metricFrames  = counter("frames_total", "Frames to and from VTEPs and peers.", "vni", "direction")
	metricBytes   = counter("bytes_total", "Bytes of those frames.", "vni", "direction")
	metricFlooded = counter("flooded_frames_total", "Frames that went to every port.", "vni")
	metricDropped = counter("frames_dropped_total", "Frames dropped.", "vni", "reason")
	metricTooBig  = counter("icmp_too_big_total", "Hosts told that a packet is too big.", "vni")

	metricFDBEntries  = gauge("fdb_entries", "Entries of the FDB.", "vni")
	metricFDBLearned  = counter("fdb_learned_total", "Addresses learned.", "vni")
	metricFDBMoves    = counter("fdb_moves_total", "Addresses that changed their port.", "vni")
	metricFDBAged     = counter("fdb_aged_total", "Addresses forgotten for silence.", "vni")
	metricFDBRejected = counter("fdb_learn_rejected_total", "Addresses not learned.", "vni", "reason")

	metricVTEPFrames = counter("vtep_frames_total", "Frames by VTEP.", "vni", "remote", "direction")
	metricVTEPBytes  = counter("vtep_bytes_total", "Bytes by VTEP.", "vni", "remote", "direction")
	metricVTEPDrops  = counter("vtep_frames_dropped_total", "Frames dropped by VTEP.",
		"vni", "remote", "reason")

	metricPeerUp  = gauge("peer_up", "1 when frames reach the peer, directly or not.", "peer")
	metricPeerRTT = gauge("peer_rtt_seconds", "Round trip of a sealed echo.", "peer")
	metricPeerMTU = gauge("peer_mtu_bytes", "Outer IP packet the path carries.", "peer")

	metricPeerFrames     = counter("peer_frames_total", "Frames by peer.", "peer", "direction")
	metricPeerBytes      = counter("peer_bytes_total", "Bytes of frames by peer.", "peer", "direction")
	metricPeerDatagrams  = counter("peer_datagrams_total", "Datagrams by peer.", "peer", "direction")
	metricPeerHandshakes = counter("peer_handshakes_total", "Keys agreed by peer.", "peer")
	metricPeerDrops      = counter("peer_drops_total", "Frames and datagrams dropped by peer.",
		"peer", "reason")

	metricDatagrams     = counter("datagrams_total", "Datagrams by socket.", "listen", "direction")
	metricDatagramBytes = counter("datagram_bytes_total", "Bytes by socket.", "listen", "direction")
	metricDatagramDrops = counter("datagrams_dropped_total", "Datagrams that reached no segment.",
		"listen", "reason")

	metricProxyOpen    = gauge("proxy_connections", "Connections now.", proxyLabels...)
	metricProxyConns   = counter("proxy_connections_total", "Connections so far.", proxyLabels...)
	metricProxyRefused = counter("proxy_connections_refused_total", "For being too many.", proxyLabels...)
	metricProxyFailed  = counter("proxy_connections_failed_total", "That led nowhere.", proxyLabels...)
	metricProxyBytes   = counter("proxy_bytes_total", "Bytes from and into the segment.",
		append(proxyLabels, "direction")...)
)

var proxyLabels = []string{"vni", "kind", "protocol", "listen"}

// A scrape sends the metrics of one network.
type scrape struct {
	out     chan<- prometheus.Metric
	network string
}

func (s scrape) put(f family, v float64, labels ...string) {
	labels = append([]string{s.network}, labels...)
	metric, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...)
	if err != nil { // a device name that is not UTF-8; panicking would end the node
		metric = prometheus.NewInvalidMetric(f.desc, err)
	}
	s.out <- metric
}

// both puts the two directions; reasons puts a series for every reason that has occurred.
func (s scrape) both(f family, rx, tx uint64, labels ...string) {
	s.put(f, float64(rx), append(labels[:len(labels):len(labels)], "rx")...)
	s.put(f, float64(tx), append(labels[:len(labels):len(labels)], "tx")...)
}

func (s scrape) reasons(f family, c Counts, labels ...string) {
	for reason, n := range c {
		s.put(f, float64(n), append(labels[:len(labels):len(labels)], reason)...)
	}
}

func (s scrape) node(n Status) {
	s.out <- prometheus.MustNewConstMetric(
		metricBuildInfo, prometheus.GaugeValue, 1, n.Version, runtime.Version())
	s.put(metricUp, flag(n.State != StateStarting))
	s.put(metricUptime, n.UptimeSeconds)
	s.put(metricWarnings, float64(len(n.Warnings)))
	s.put(metricReloadOK, flag(n.Config.ReloadSuccessful))
	if !n.Config.LoadedAt.IsZero() {
		s.put(metricReloadTime, float64(n.Config.LoadedAt.UnixMilli())/1e3)
	}
}

func (s scrape) segment(id string, seg SegmentStatus) {
	vni, d := label(seg.VNI), seg.Device
	s.put(metricNetworkInfo, 1, vni, d.Name, d.Kind, id)
	if d.Kind != "none" {
		s.put(metricDeviceUp, flag(d.State == "up"), vni, d.Name)
		s.put(metricDeviceMTU, float64(d.MTU), vni, d.Name)
	}
	for _, v := range seg.VTEPs {
		s.put(metricVTEPUp, flag(v.State == VTEPOK), vni, v.Remote)
		if v.MTU > 0 {
			s.put(metricVTEPMTU, float64(v.MTU), vni, v.Remote)
		}
	}
}

func (s scrape) segmentStats(seg SegmentStats) {
	vni := label(seg.VNI)
	s.both(metricFrames, seg.RxFrames, seg.TxFrames, vni)
	s.both(metricBytes, seg.RxBytes, seg.TxBytes, vni)
	s.put(metricFlooded, float64(seg.FloodedFrames), vni)
	s.reasons(metricDropped, seg.Drops, vni)
	s.put(metricTooBig, float64(seg.ICMPTooBig), vni)
	s.put(metricFDBEntries, float64(seg.FDB.Entries), vni)
	s.put(metricFDBLearned, float64(seg.FDB.Learned), vni)
	s.put(metricFDBMoves, float64(seg.FDB.Moved), vni)
	s.put(metricFDBAged, float64(seg.FDB.Aged), vni)
	s.put(metricFDBRejected, float64(seg.FDB.TableFull), vni, "table_full")
	s.put(metricFDBRejected, float64(seg.FDB.PortFull), vni, "port_full")
}

func (s scrape) vtepStats(v VTEPStats) {
	vni := label(v.VNI)
	s.both(metricVTEPFrames, v.RxFrames, v.TxFrames, vni, v.Remote)
	s.both(metricVTEPBytes, v.RxBytes, v.TxBytes, vni, v.Remote)
	s.reasons(metricVTEPDrops, v.Drops, vni, v.Remote)
}

func (s scrape) peer(p Peer) {
	s.put(metricPeerUp, flag(p.Reachable()), p.Name)
	if p.Path == nil {
		return
	}
	if p.Path.RTTSeconds > 0 {
		s.put(metricPeerRTT, p.Path.RTTSeconds, p.Name)
	}
	if p.Path.MTU > 0 {
		s.put(metricPeerMTU, float64(p.Path.MTU), p.Name)
	}
}

func (s scrape) peerStats(p PeerStats) {
	s.both(metricPeerFrames, p.RxFrames, p.TxFrames, p.Name)
	s.both(metricPeerBytes, p.RxBytes, p.TxBytes, p.Name)
	s.both(metricPeerDatagrams, p.RxDatagrams, p.TxDatagrams, p.Name)
	s.put(metricPeerHandshakes, float64(p.Handshakes), p.Name)
	s.reasons(metricPeerDrops, p.Drops, p.Name)
}

func (s scrape) socketStats(k SocketStats) {
	s.both(metricDatagrams, k.RxDatagrams, k.TxDatagrams, k.Listen)
	s.both(metricDatagramBytes, k.RxBytes, k.TxBytes, k.Listen)
	s.reasons(metricDatagramDrops, k.Drops, k.Listen)
	s.put(metricDatagramDrops, float64(k.RxDrops), k.Listen, "receive_buffer_full")
}

func (s scrape) proxyStats(p ProxyStats) {
	labels := []string{label(p.VNI), p.Kind, p.Protocol, p.Listen}
	s.put(metricProxyOpen, float64(p.Open), labels...)
	s.put(metricProxyConns, float64(p.Total), labels...)
	s.put(metricProxyRefused, float64(p.Refused), labels...)
	s.put(metricProxyFailed, float64(p.Failed), labels...)
	s.both(metricProxyBytes, p.RxBytes, p.TxBytes, labels...)
}

func label(vni uint32) string { return strconv.FormatUint(uint64(vni), 10) }

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
