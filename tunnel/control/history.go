package control

import (
	"context"
	"net/http"
	"time"
)

// SchemaHistory is what [History] says in its schema field.
const SchemaHistory = "vxmesh.history/1"

// NoValue stands in a list of numbers where there was nothing to measure.
const NoValue = -1

// History is the answer to GET /v1/history: what a node has measured of itself, for charts.
type History struct {
	Schema  string           `json:"schema"`
	Seconds Series           `json:"seconds"` // the last 10 minutes by the second
	Long    Series           `json:"long"`    // the last hour by 10 seconds
	Peers   List[PeerSeries] `json:"peers"`   // the last 10 minutes by 5 seconds
}

// A Series is how much the segments carried, oldest first. All lists are equally long. Rates are whole
// numbers: of inner frames from and to VTEPs and peers, and of what was dropped, by whatever part.
type Series struct {
	Start             time.Time     `json:"start"` // of the first value's step
	StepSeconds       float64       `json:"step_seconds"`
	RxBytesPerSecond  List[float64] `json:"rx_bytes_per_second"`
	TxBytesPerSecond  List[float64] `json:"tx_bytes_per_second"`
	RxFramesPerSecond List[float64] `json:"rx_frames_per_second"`
	TxFramesPerSecond List[float64] `json:"tx_frames_per_second"`
	DropsPerSecond    List[float64] `json:"drops_per_second"`
}

// A PeerSeries is the same of one peer, and how its path did at the end of each step.
type PeerSeries struct {
	Name             string        `json:"name"`
	Start            time.Time     `json:"start"`
	StepSeconds      float64       `json:"step_seconds"`
	RxBytesPerSecond List[float64] `json:"rx_bytes_per_second"`
	TxBytesPerSecond List[float64] `json:"tx_bytes_per_second"`
	RTTSeconds       List[float64] `json:"rtt_seconds"` // to the microsecond; -1 while there is no path
	LossRatio        List[float64] `json:"loss_ratio"`  // 0 to 1; -1 while there is no path
}

// History asks for what the node has measured of itself.
func (c Client) History(ctx context.Context) (History, error) {
	return call[History](ctx, c, http.MethodGet, "/v1/history", nil)
}

func (s *server) history(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.takeHistory()) }
