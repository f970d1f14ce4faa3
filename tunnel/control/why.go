package control

import "net/http"

// SchemaWhy is what [Why] says in its schema field.
const SchemaWhy = "vxmesh.why/1"

// Why is the answer to GET /v1/why?peer=NAME: what was tried to reach a peer, what came of it, and
// what would help.
type Why struct {
	Schema     string          `json:"schema"`
	Peer       Peer            `json:"peer"`
	Summary    string          `json:"summary"` // a sentence
	Candidates List[Candidate] `json:"candidates"`
	Fixes      List[string]    `json:"fixes"` // sentences, the most likely to help first
}

// A Candidate is an address at which a peer might be reached.
type Candidate struct {
	Address    string         `json:"address"` // address:port, or name:port of a name without address
	Kind       CandidateKind  `json:"kind"`
	State      CandidateState `json:"state"`
	LastResult string         `json:"last_result"` // of the last try, in a few words; "" before it
	RTTSeconds float64        `json:"rtt_seconds"` // 0 when not known
}

// A CandidateKind says how a [Candidate] is known.
type CandidateKind string

// The kinds of candidate.
const (
	CandidateStatic  CandidateKind = "static"    // the config names it
	CandidateLearned CandidateKind = "learned"   // the peer's datagrams came from there
	CandidateLAN     CandidateKind = "lan"       // on a network of this machine
	CandidateIPv6    CandidateKind = "ipv6"      // a global IPv6 address of its machine
	CandidatePublic  CandidateKind = "public"    // a public IPv4 address of its machine
	CandidateHost    CandidateKind = "host"      // another address of its machine
	CandidateMapped  CandidateKind = "mapped"    // its router opened a port
	CandidateSeen    CandidateKind = "reflexive" // others see it there
	CandidateForward CandidateKind = "forwarded" // the same address, with the port that it listens on
	CandidateGuess   CandidateKind = "predicted" // the next port of a NAT that counts
	CandidateRelay   CandidateKind = "relay"     // another node passes on what is for it
)

// A CandidateState says how far a [Candidate] has got.
type CandidateState string

// The states of a candidate.
const (
	CandidateInUse      CandidateState = "in_use"
	CandidateReachable  CandidateState = "reachable" // proven both ways, and not the one in use
	CandidateTrying     CandidateState = "trying"
	CandidateNoAnswer   CandidateState = "no_answer"
	CandidateUnresolved CandidateState = "unresolved" // the name has no address
	CandidateNoRoute    CandidateState = "no_route"
)

func (s *server) why(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("peer")
	if name == "" {
		writeError(w, Errorf(CodeUsage, "peer is missing: the name of a peer"))
		return
	}
	why, err := s.b.Why(name)
	if err != nil {
		writeError(w, err)
		return
	}
	why.Schema = SchemaWhy
	writeJSON(w, why)
}
