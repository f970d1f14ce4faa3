package portmap

import "time"

// An epoch follows the clock that a router counts from when it last lost its mappings. Its zero
// value has seen nothing yet. PCP and NAT-PMP have one each, even on one router.
type epoch struct {
	at     time.Time // of this host, when the router said
	server int64     // seconds
}

// pcp takes what an answer says and tells whether the router has lost its mappings since the answer
// before: RFC 6887, 8.5. A clock that is too fast is as suspect as one that is too slow.
func (e *epoch) pcp(server uint32, now time.Time) (lost bool) {
	ours, theirs, known := e.take(server, now)
	return known && (theirs < -1 || ours+2 < theirs-theirs/16 || theirs+2 < ours-ours/16)
}

// pmp is the same for NAT-PMP: RFC 6886, 3.6.
func (e *epoch) pmp(server uint32, now time.Time) (lost bool) {
	ours, theirs, known := e.take(server, now)
	return known && theirs+2 < ours*7/8
}

// take tells how many seconds went by here and there.
func (e *epoch) take(server uint32, now time.Time) (ours, theirs int64, known bool) {
	last := *e
	*e = epoch{at: now, server: int64(server)}
	if last.at.IsZero() {
		return 0, 0, false
	}
	return int64(now.Sub(last.at) / time.Second), e.server - last.server, true
}
