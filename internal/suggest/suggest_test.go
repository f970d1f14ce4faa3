package suggest

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"endpoints", "vni", "fdb", "status", "ageing"}
	for got, want := range map[string]string{
		"endpoint": "endpoints", "vnii": "vni", "fbd": "fdb", "statsu": "status", "aging": "ageing",
		"zzz": "", "": "", "VNI": "vni",
	} {
		if n := Nearest(got, known); n != want {
			t.Errorf("Nearest(%q) = %q, want %q", got, n, want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"nas", "Office"}
	for got, want := range map[string]string{
		"nsa": `; did you mean "nas"?`, "ofice": `; did you mean "Office"?`, "laptop": "",
	} {
		if end := DidYouMean(got, known); end != want {
			t.Errorf("DidYouMean(%q) = %q, want %q", got, end, want)
		}
	}
}
