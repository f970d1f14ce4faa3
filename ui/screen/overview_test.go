package screen

import "testing"

func TestOverviewGolden(t *testing.T) {
	u := world(t)
	u.Show(Overview)
	golden(t, u, "overview")
}

func TestMapGolden(t *testing.T) {
	u := world(t)
	u.Show(Map)
	golden(t, u, "map")
}
