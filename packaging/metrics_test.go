package packaging_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A family is what a node exports under one name: the values that each label has.
type family map[string]map[string]bool

var (
	sample = regexp.MustCompile(`(?m)^(vxmesh_\w+)(?:\{(.*)\})? `)
	pair   = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// exported asks a node for its metrics, as Prometheus does.
func exported(t *testing.T) map[string]family {
	t.Helper()
	w := httptest.NewRecorder()
	control.MetricsHandler(controltest.New().Backend()).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	families := map[string]family{}
	for _, m := range sample.FindAllStringSubmatch(w.Body.String(), -1) {
		f := families[m[1]]
		if f == nil {
			f = family{"instance": {}, "job": {}} // Prometheus's own
			families[m[1]] = f
		}
		for _, p := range pair.FindAllStringSubmatch(m[2], -1) {
			if f[p[1]] == nil {
				f[p[1]] = map[string]bool{}
			}
			f[p[1]][p[2]] = true
		}
	}
	if len(families) < 30 {
		t.Fatalf("only %d families: %s", len(families), w.Body.String())
	}
	return families
}

var (
	metric  = regexp.MustCompile(`(vxmesh_\w+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`(\w+)(=~|=|!=|!~)"([^"]*)"`)
	group   = regexp.MustCompile(`(?:by|on|without) \(([^)]*)\)`)
	shown   = regexp.MustCompile(`\{\{ *(?:\$labels\.)?(\w+) *\}\}`)
)

// check holds an expression, and the texts beside it, to what is exported.
func check(t *testing.T, families map[string]family, expr string, texts ...string) {
	t.Helper()
	metrics := metric.FindAllStringSubmatch(expr, -1)
	if len(metrics) == 0 {
		t.Errorf("no metric of ours in %s", expr)
		return
	}
	var common family
	for _, m := range metrics {
		f, ok := families[m[1]]
		if !ok {
			t.Errorf("nobody exports %s, in %s", m[1], expr)
			return
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if f[l[1]] == nil {
				t.Errorf("%s has no label %s, in %s", m[1], l[1], expr)
			} else if l[2] == "=" && !f[l[1]][l[3]] {
				t.Errorf("%s has no %s %q but %v, in %s", m[1], l[1], l[3], slices.Sorted(maps.Keys(f[l[1]])), expr)
			}
		}
		common = f
	}
	for _, g := range group.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(g[1], ",") {
			if l = strings.TrimSpace(l); common[l] == nil {
				t.Errorf("there is no label %q to group by in %s", l, expr)
			}
		}
	}
	for _, text := range texts {
		for _, l := range shown.FindAllStringSubmatch(text, -1) {
			if common[l[1]] == nil {
				t.Errorf("there is no label %q for %q of %s", l[1], text, expr)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana/vxmesh.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Type, Definition string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	families, ids, n := exported(t), map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			check(t, families, q.Expr, q.LegendFormat)
			n++
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			check(t, families, v.Definition)
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d expressions", n)
	}
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	families := exported(t)
	rules := strings.Split(string(text), "- alert: ")[1:]
	for _, r := range rules {
		name, rest, _ := strings.Cut(r, "\n")
		_, rest, _ = strings.Cut(rest, "expr: ")
		expr, rest, _ := strings.Cut(rest, "\n")
		if !strings.HasPrefix(name, "Vxmesh") || !strings.Contains(rest, "summary: ") || !strings.Contains(rest, "severity: ") {
			t.Errorf("%s is not whole", name)
		}
		check(t, families, expr, strings.Split(rest, "\n")...)
	}
	if len(rules) < 8 {
		t.Errorf("only %d rules", len(rules))
	}
}

// TestCheckBites: what nobody exports is seen.
func TestCheckBites(t *testing.T) {
	for _, c := range []struct{ expr, text string }{
		{"vxmesh_peers_up == 0", ""},
		{`vxmesh_peer_up{peers="nas"}`, ""},
		{`vxmesh_datagrams_dropped_total{reason="no_such_reason"}`, ""},
		{"sum by (vni) (vxmesh_peer_up)", ""},
		{"vxmesh_peer_up", "{{vni}}"},
		{"vxmesh_peer_up", "{{ $labels.remote }}"},
	} {
		var fake testing.T
		if check(&fake, exported(t), c.expr, c.text); !fake.Failed() {
			t.Errorf("%+v was taken", c)
		}
	}
}
