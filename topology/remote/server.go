package remote

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Server answers for one world. All its fields must be set but File.
type Server struct {
	World  *topology.World
	File   string
	Socket func(node string) string // where a node's control API is
	Stop   func()                   // ends the lab
	Log    *slog.Logger             // told what changes
}

// The bounds of a request.
const (
	maxBody  = 64 << 10
	patience = 5 * time.Second
)

// Serve answers on l until ctx ends, and closes it. When it returns, no goroutine of it is left.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: patience, ReadTimeout: patience,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	var serving sync.WaitGroup
	var err error
	serving.Go(func() { err = srv.Serve(l) })
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(last) != nil {
		_ = srv.Close()
	}
	serving.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/lab", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Lab(), nil) })
	mux.HandleFunc("POST /v1/change", func(w http.ResponseWriter, r *http.Request) {
		request, err := read[ChangeRequest](w, r)
		if err == nil {
			if err = s.World.Change(request.Name, request.Change); err == nil {
				s.Log.Info("changed", "name", request.Name, "to", request.Change.String())
			}
		}
		answer(w, s.Lab(), err)
	})
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, s.Lab(), nil)
		s.Stop()
	})
	return mux
}

// read reads a request's body.
func read[T any](w http.ResponseWriter, r *http.Request) (v T, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, control.Errorf(control.CodeUsage, "the request cannot be read: %v", err)
	}
	return v, nil
}

// answer writes v, or the error.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		v = control.AsError(err)
	}
	_ = json.NewEncoder(w).Encode(v) // who does not read it has gone
}

// Lab is what runs.
func (s *Server) Lab() Lab {
	p := s.World.Plan()
	out := Lab{Name: p.Name, File: s.File, PID: os.Getpid(), Seed: p.Seed, Sites: sites(s.World)}
	for i, h := range s.World.Hosts() {
		out.Nodes = append(out.Nodes, Node{
			Name: h.Name, Site: p.Nodes[i].Site, Underlay: h.Underlay(), Addresses: h.Addresses(), Socket: s.Socket(h.Name),
		})
	}
	return out
}

func sites(w *topology.World) (all []Site) {
	for _, s := range w.Plan().Sites {
		r := w.Router(s.Name)
		all = append(all, Site{
			Name: s.Name, NAT: r.Kind().String(), Address: r.Addr(), Behind: s.Behind, Flows: r.Flows(),
		})
	}
	return all
}
