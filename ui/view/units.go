package view

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// none is shown for a number that nobody knows (NaN).
const none = "-"

// prefixes are powers of 1000 from 1 up.
var prefixes = []string{"", "k", "M", "G", "T", "P", "E"}

// scale divides v by the power of 1000 at which it shows at most three digits before the point.
func scale(v float64) (float64, string) {
	i := 0
	for ; math.Abs(v) >= 999.5 && i < len(prefixes)-1; i++ {
		v /= 1000
	}
	return v, prefixes[i]
}

// known excludes NaN, infinity, and what would become that when it is multiplied.
func known(v float64) bool { return math.Abs(v) <= 1e300 }

func fixed(v float64, decimals int) string {
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// Rate shows bytes per second as bits, or as bytes: "418.4 Mb/s", "900 kb/s", "52.3 MB/s". From
// millions on it has one decimal, whatever the digits before it, so that it does not dance.
func Rate(bytesPerSecond float64, bytes bool) string {
	return rate(bytesPerSecond, bytes, func(v float64, prefix string) int {
		if prefix == "" || prefix == "k" && v >= 9.95 {
			return 0
		}
		return 1
	})
}

// ShortRate is [Rate] with at most three digits, for tables: "412 Mb/s", "3.4 Mb/s".
func ShortRate(bytesPerSecond float64, bytes bool) string {
	return rate(bytesPerSecond, bytes, func(v float64, prefix string) int {
		if prefix == "" || v >= 9.95 {
			return 0
		}
		return 1
	})
}

func rate(v float64, bytes bool, decimals func(float64, string) int) string {
	if !known(v) {
		return none
	}
	unit := "B/s"
	if !bytes {
		v, unit = v*8, "b/s"
	}
	v, prefix := scale(v)
	return fixed(v, decimals(v, prefix)) + " " + prefix + unit
}

// A Number is what counters come as.
type Number interface {
	~int | ~int32 | ~int64 | ~uint | ~uint32 | ~uint64 | ~float64
}

// Bytes shows a number of bytes: "804 B", "21 MB", "7.5 MB", "31.2 GB".
func Bytes[N Number](n N) string {
	v, prefix := scale(float64(n))
	switch {
	case !known(v):
		return none
	case prefix == "" || v >= 9.95 && (prefix == "k" || prefix == "M"):
		return fixed(v, 0) + " " + prefix + "B"
	}
	return fixed(v, 1) + " " + prefix + "B"
}

// Count shows a number of things or a frequency: "402", "1.2", "41.2 k", "112 k", "9.4 M".
func Count(n float64) string {
	v, prefix := scale(n)
	switch {
	case !known(v):
		return none
	case prefix != "" && v < 99.95:
		return fixed(v, 1) + " " + prefix
	case prefix != "":
		return fixed(v, 0) + " " + prefix
	case v == math.Trunc(v) || v >= 9.95:
		return fixed(v, 0)
	}
	return fixed(v, 1)
}

// Short shows a number in as few columns as possible, for axes: "600M", "1.5k", "0".
func Short(n float64) string {
	v, prefix := scale(n)
	switch {
	case !known(v):
		return none
	case v != math.Trunc(v) && v < 9.95:
		return strconv.FormatFloat(v, 'g', 2, 64) + prefix
	}
	return fixed(v, 0) + prefix
}

// Millis shows seconds as milliseconds: "0.04 ms", "11.9 ms"; from 10 s on as seconds.
func Millis(seconds float64) string {
	ms := seconds * 1000
	switch {
	case !known(ms):
		return none
	case ms >= 9999.95:
		return fixed(seconds, 1) + " s"
	case ms > 0 && ms < 0.0995:
		return fixed(ms, 2) + " ms"
	}
	return fixed(ms, 1) + " ms"
}

// Percent shows a ratio: 0.003 is "0.3 %".
func Percent(ratio float64) string {
	if !known(ratio) {
		return none
	}
	return fixed(ratio*100, 1) + " %"
}

// Age shows how long something takes or is ago, for a sentence: "12 s", "16 min", "2 h 14 min",
// "3 d 04 h". It never rounds up, and what is negative is "0 s".
func Age(d time.Duration) string {
	s := max(int64(d/time.Second), 0)
	switch m, h := s/60, s/3600; {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case h < 1:
		return fmt.Sprintf("%d min", m)
	case h < 24:
		return fmt.Sprintf("%d h %02d min", h, m%60)
	default:
		return fmt.Sprintf("%d d %02d h", h/24, h%24)
	}
}

// ShortAge is [Age] in at most five columns up to 99 days, for tables: "12 s", "3m12", "2h14",
// "3d04".
func ShortAge(d time.Duration) string {
	s := max(int64(d/time.Second), 0)
	switch m, h := s/60, s/3600; {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case h < 1:
		return fmt.Sprintf("%dm%02d", m, s%60)
	case h < 24:
		return fmt.Sprintf("%dh%02d", h, m%60)
	default:
		return fmt.Sprintf("%dd%02d", h/24, h%24)
	}
}
