package control

import (
	"context"
	"net/http"
	"time"
)

// The schemas of what this file defines.
const (
	SchemaMembers = "vxmesh.members/1"
	SchemaPublish = "vxmesh.publish/1"
)

// Members are the nodes that hold a certificate of the network, this one too, by name.
type Members struct {
	Schema  string       `json:"schema"`
	Network string       `json:"network"` // its id, hexadecimal; "" when it has no members but those of the file
	Name    string       `json:"name"`    // of the network
	Members List[Member] `json:"members"`
}

// A Member is one of them.
type Member struct {
	Name      string       `json:"name"`
	ID        string       `json:"id"`  // hexadecimal
	Key       string       `json:"key"` // of its sessions, base64
	Self      bool         `json:"self"`
	Admin     bool         `json:"admin"`
	MayBridge bool         `json:"may_bridge"`
	MACLimit  int          `json:"mac_limit"` // 0: none
	Segments  List[uint32] `json:"segments"`  // empty: all
	Issuer    string       `json:"issuer"`    // the id of the admin who signed its certificate
	NotBefore time.Time    `json:"not_before"`
	NotAfter  time.Time    `json:"not_after"`
	Endpoints List[string] `json:"endpoints"` // where it says it is
	Addresses List[string] `json:"addresses"` // with their prefix, within segments
	Sequence  uint64       `json:"sequence"`  // of what it said last; 0: nothing yet

	Certificate []byte `json:"certificate"` // as it was signed, base64
}

// Publish asks the node to take in signed items about members and to tell the network.
type Publish struct {
	Items []Item `json:"items"`
}

// An Item is one of package roster's.
type Item struct {
	Kind uint8  `json:"kind"`
	Raw  []byte `json:"raw"` // base64
}

// A PublishResult says that all items were taken.
type PublishResult struct {
	Schema string `json:"schema"`
	Items  int    `json:"items"`
}

// maxPublished bounds the items of one request.
const maxPublished = 4096

// Check is as [FDBAdd.Check].
func (r Publish) Check() error {
	if len(r.Items) == 0 || len(r.Items) > maxPublished {
		return Errorf(CodeUsage, "items: 1 to %d", maxPublished)
	}
	return nil
}

// Members asks who belongs to the network.
func (c Client) Members(ctx context.Context) (Members, error) {
	return call[Members](ctx, c, http.MethodGet, "/v1/members", nil)
}

// Publish has the node take in signed items and tell the network.
func (c Client) Publish(ctx context.Context, items []Item) (PublishResult, error) {
	return call[PublishResult](ctx, c, http.MethodPost, "/v1/publish", Publish{items})
}

func (s *server) members(w http.ResponseWriter, _ *http.Request) {
	m := s.b.Members()
	m.Schema = SchemaMembers
	writeJSON(w, m)
}

func (s *server) publish(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[Publish](s, w, r)
	if err == nil {
		err = s.b.Publish(req)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, PublishResult{SchemaPublish, len(req.Items)})
}
