package control

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// What a node tells those who look for a mistake in the program itself.

const (
	// defaultProfile is for how long is measured when nothing is said, and maxProfile for how long at most.
	defaultProfile = 10 * time.Second
	maxProfile     = 5 * time.Minute
	// blockRate is the time in ns for one sample of waiting, see [runtime.SetBlockProfileRate].
	blockRate = 10_000
)

// A ProfileKind is what is measured.
type ProfileKind string

// The kinds. Each but the heap is of some time.
const (
	ProfileCPU   ProfileKind = "cpu"
	ProfileHeap  ProfileKind = "heap"
	ProfileMutex ProfileKind = "mutex"
	ProfileBlock ProfileKind = "block"
	ProfileTrace ProfileKind = "trace" // for `go tool trace`; the others are for `go tool pprof`
)

// ProfileKinds are all kinds, in the order in which help lists them.
func ProfileKinds() []ProfileKind {
	return []ProfileKind{ProfileCPU, ProfileHeap, ProfileMutex, ProfileBlock, ProfileTrace}
}

// A ProfileRequest is the body of POST /v1/debug/profile.
type ProfileRequest struct {
	Kind    ProfileKind `json:"kind"`
	Seconds float64     `json:"seconds"` // 0 for 10; without a meaning for the heap
}

// Check is as [FDBAdd.Check].
func (r ProfileRequest) Check() error {
	known := false
	var names []string
	for _, k := range ProfileKinds() {
		known = known || k == r.Kind
		names = append(names, string(k))
	}
	if !known {
		e := Errorf(CodeUsage, "there is no profile %q%s", r.Kind, suggest.DidYouMean(string(r.Kind), names))
		e.Fix = []string{"profiles: cpu, heap, mutex, block, trace"}
		return e
	}
	if !(r.Seconds >= 0 && r.Seconds <= maxProfile.Seconds()) { // NaN neither
		return Errorf(CodeUsage, "a profile is of 0 to %.0f seconds, not %v", maxProfile.Seconds(), r.Seconds)
	}
	return nil
}

// length is for how long is measured.
func (r ProfileRequest) length() time.Duration {
	if r.Seconds == 0 {
		return defaultProfile
	}
	return time.Duration(r.Seconds * float64(time.Second))
}

func (s *server) stacks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(s.b.Stacks()) // the client is gone: nobody left to tell
}

func (s *server) packets(w http.ResponseWriter, r *http.Request) {
	switch format := r.URL.Query().Get("format"); format {
	case "", "pcapng":
		w.Header().Set("Content-Type", "application/x-pcapng")
		_, _ = w.Write(s.b.Packets(false))
	case "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(s.b.Packets(true))
	default:
		writeError(w, Errorf(CodeUsage, "format is pcapng or text, not %q", format))
	}
}

// profile answers with a profile. There is one at a time: they would measure each other.
func (s *server) profile(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[ProfileRequest](s, w, r)
	if err == nil && !s.profiling.TryLock() {
		err = Errorf(CodeConflict, "somebody else takes a profile of this node; try again when that is done")
	}
	if err != nil {
		writeError(w, err)
		return
	}
	defer s.profiling.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := takeProfile(r.Context(), w, req); err != nil {
		writeError(w, err)
	}
}

// takeProfile writes a profile. An error comes before the first byte.
func takeProfile(ctx context.Context, w io.Writer, r ProfileRequest) error {
	ctx, cancel := context.WithTimeout(ctx, r.length())
	defer cancel()
	switch r.Kind {
	case ProfileCPU:
		if err := pprof.StartCPUProfile(w); err != nil {
			return err
		}
		<-ctx.Done()
		pprof.StopCPUProfile()
		return nil
	case ProfileTrace:
		if err := trace.Start(w); err != nil {
			return err
		}
		<-ctx.Done()
		trace.Stop()
		return nil
	case ProfileMutex:
		before := runtime.SetMutexProfileFraction(1)
		defer runtime.SetMutexProfileFraction(before)
		<-ctx.Done()
	case ProfileBlock:
		runtime.SetBlockProfileRate(blockRate)
		defer runtime.SetBlockProfileRate(0)
		<-ctx.Done()
	case ProfileHeap:
		runtime.GC() // what it shows is as old as the last one
	}
	_ = pprof.Lookup(string(r.Kind)).WriteTo(w, 0) // the client is gone
	return nil
}

// Stacks copies the stacks of all goroutines, as text, to w.
func (c Client) Stacks(ctx context.Context, w io.Writer) error {
	return c.copyTo(ctx, w, http.MethodGet, "/v1/debug/stacks", nil)
}

// Packets copies the headers of the last packets to w: as pcapng, or as text, a line each.
func (c Client) Packets(ctx context.Context, w io.Writer, text bool) error {
	path := "/v1/debug/packets"
	if text {
		path += "?format=text"
	}
	return c.copyTo(ctx, w, http.MethodGet, path, nil)
}

// Profile has the node measure itself, and copies the profile to w.
func (c Client) Profile(ctx context.Context, w io.Writer, r ProfileRequest) error {
	ctx, cancel := context.WithTimeout(ctx, r.length()+answerTimeout)
	defer cancel()
	return c.copyTo(ctx, w, http.MethodPost, "/v1/debug/profile", r)
}
