package control_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// TestMetricsGolden pins every series: dashboards and alerts depend on the names.
func TestMetricsGolden(t *testing.T) {
	status, body := request(t, controltest.New().Serve(t), "GET", "/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	lintMetrics(t, body)
	var own strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "vxmesh_") && !strings.HasPrefix(line, "vxmesh_build_info") {
			own.WriteString(line)
		}
	}
	file := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(file, []byte(own.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), own.String()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	for _, other := range []string{"go_goroutines", "vxmesh_build_info{goversion=\"go1."} {
		if !strings.Contains(body, other) {
			t.Errorf("%s is missing", other)
		}
	}
}

// lintMetrics holds our names to Prometheus's own rules.
func lintMetrics(t *testing.T, body string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "vxmesh_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestMetricsOverTCP asks the listener of [metrics] listen, which answers nothing else.
func TestMetricsOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	controltest.Run(t, l, controltest.New().Backend(), control.ServeMetrics)
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/metrics": 200, "/v1/status": 404, "/": 404} {
		res, err := c.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
	}
}

// TestMetricsSurviveAnOddName scrapes a node whose device has a name that is not text: the kernel
// allows it, Prometheus does not.
func TestMetricsSurviveAnOddName(t *testing.T) {
	n := controltest.New()
	s := controltest.Status()
	s.Segments[0].Device.Name = "vxm\xff"
	n.SetStatus(s)
	status, body := request(t, n.Serve(t), "GET", "/metrics", "")
	if status != http.StatusOK || !strings.Contains(body, "vxmesh_frames_total") {
		t.Errorf("status %d: %.200s", status, body)
	}
}
