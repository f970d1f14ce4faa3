package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/peers", s.peers)
	mux.HandleFunc("POST /v1/peers/pause", s.changePeer(s.b.PausePeer))
	mux.HandleFunc("POST /v1/peers/resume", s.changePeer(s.b.ResumePeer))
	mux.HandleFunc("POST /v1/peers/reconnect", s.changePeer(s.b.ReconnectPeer))
	mux.HandleFunc("GET /v1/members", s.members)
	mux.HandleFunc("POST /v1/members/remove", asked(s, s.b.RemoveMember))
	mux.HandleFunc("POST /v1/members/rename", asked(s, s.b.RenameMember))
	mux.HandleFunc("GET /v1/invitations", s.invitations)
	mux.HandleFunc("POST /v1/invitations", asked(s, s.b.Invite))
	mux.HandleFunc("POST /v1/invitations/revoke", asked(s, s.revoke))
	mux.HandleFunc("POST /v1/publish", s.publish)
	mux.HandleFunc("GET /v1/why", s.why)
	mux.HandleFunc("POST /v1/ping", s.ping)
	mux.HandleFunc("POST /v1/ping/paths", s.pingPaths)
	mux.HandleFunc("POST /v1/ping/overlay", s.pingOverlay)
	mux.HandleFunc("POST /v1/dial", s.dial)
	mux.HandleFunc("GET /v1/netcheck", s.netcheck)
	mux.HandleFunc("GET /v1/fdb", s.fdb)
	mux.HandleFunc("GET /v1/stats", s.stats)
	mux.HandleFunc("GET /v1/history", s.history)
	mux.HandleFunc("GET /v1/log", s.log)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/capture", s.capture)
	mux.HandleFunc("GET /v1/debug/stacks", s.stacks)
	mux.HandleFunc("GET /v1/debug/packets", s.packets)
	mux.HandleFunc("POST /v1/debug/profile", s.profile)
	mux.HandleFunc("POST /v1/fdb/add", change(s, s.b.AddFDB))
	mux.HandleFunc("POST /v1/fdb/del", change(s, s.b.DelFDB))
	mux.HandleFunc("POST /v1/fdb/flush", change(s, s.b.FlushFDB))
	mux.HandleFunc("POST /v1/guests", s.guest)
	mux.HandleFunc("POST /v1/reload", s.reload)
	mux.Handle("GET /metrics", MetricsHandler(s.b))
	mux.HandleFunc("/", noRoute)
	return mux
}

func noRoute(w http.ResponseWriter, r *http.Request) {
	writeError(w, Errorf(CodeNotFound, "the node knows no %s %s", r.Method, r.URL.Path))
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.takeStatus())
}

func (s *server) peers(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.takePeers())
}

func (s *server) fdb(w http.ResponseWriter, r *http.Request) {
	vni, err := queryNumber(r, "vni", maxVNI)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, s.takeFDB(FDBFilter{VNI: uint32(vni)}))
}

func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.takeStats())
}

func (s *server) takeStatus() Status {
	v := s.b.Status()
	v.Schema = SchemaStatus
	return v
}

func (s *server) takePeers() Peers {
	v := s.b.Peers()
	v.Schema = SchemaPeers
	return v
}

func (s *server) takeHistory() History {
	if s.b.History == nil {
		return s.recorder.History()
	}
	v := s.b.History()
	v.Schema = SchemaHistory
	return v
}

func (s *server) takeFDB(f FDBFilter) FDB {
	v := s.b.FDB(f)
	v.Schema = SchemaFDB
	return v
}

func (s *server) takeStats() Stats {
	v := s.b.Stats()
	v.Schema = SchemaStats
	return v
}

func (s *server) reload(w http.ResponseWriter, r *http.Request) {
	res, err := s.b.Reload(r.Context())
	if err != nil {
		writeError(w, err)
		return
	}
	res.Schema = SchemaReload
	writeJSON(w, res)
}

// asked makes the handler of one kind of request, whose answer has its schema already.
func asked[T interface{ Check() error }, A any](
	s *server, do func(context.Context, T) (A, error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := requestOf[T](s, w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		res, err := do(r.Context(), req)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, res)
	}
}

// change makes the handler of one kind of change of the FDB.
func change[T interface{ Check() error }](
	s *server, do func(T) (FDBResult, error),
) http.HandlerFunc {
	return asked(s, func(_ context.Context, req T) (FDBResult, error) {
		res, err := do(req)
		res.Schema = SchemaFDBResult
		return res, err
	})
}

// queryNumber reads a number of the query from 0, which is also what a missing one means, to max.
func queryNumber(r *http.Request, key string, max uint64) (uint64, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > max {
		return 0, Errorf(CodeUsage, "%s is a number from 0 to %d, not %q", key, max, text)
	}
	return n, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody left to tell
}

// errorBody is how an [Error] crosses the socket.
type errorBody struct {
	Error struct {
		Code    Code         `json:"code"`
		Message string       `json:"message"`
		Fix     List[string] `json:"fix"`
		Details List[string] `json:"details"`
		Exit    int          `json:"exit"`
	} `json:"error"`
}

// MarshalJSON gives the form {"error":{"code","message","fix","details","exit"}}, which commands
// print under --json as well.
func (e *Error) MarshalJSON() ([]byte, error) {
	var body errorBody
	body.Error.Code, body.Error.Message = e.Code, e.Message
	body.Error.Fix, body.Error.Details = e.Fix, e.Details
	body.Error.Exit = e.Code.Exit()
	return json.Marshal(body)
}

// UnmarshalJSON is the reverse of [Error.MarshalJSON].
func (e *Error) UnmarshalJSON(b []byte) error {
	var body errorBody
	if err := json.Unmarshal(b, &body); err != nil {
		return err
	}
	*e = Error{
		Code: body.Error.Code, Message: body.Error.Message,
		Fix: body.Error.Fix, Details: body.Error.Details,
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	e := AsError(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Code.status())
	_ = json.NewEncoder(w).Encode(e)
}
