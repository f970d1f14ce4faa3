package control

// SchemaReload is what [ReloadResult] says in its schema field.
const SchemaReload = "vxmesh.reload/1"

// ReloadResult is the answer to POST /v1/reload: what the new file changed.
type ReloadResult struct {
	Schema  string       `json:"schema"`
	Network string       `json:"network"`
	Changes List[Change] `json:"changes"`
}

// A Change is one key of the config whose value differs from what ran before.
type Change struct {
	Key   string      `json:"key"` // TOML path, a segment by its VNI: "segments[4242].fdb.ageing"
	Old   string      `json:"old"` // as in the file; "" when it was not there
	New   string      `json:"new"` // "" when it is no longer there
	Class ChangeClass `json:"class"`
}

// A ChangeClass says what became of a [Change].
type ChangeClass string

// The classes.
const (
	ChangeApplied      ChangeClass = "applied"       // in force, nothing interrupted
	ChangeNeedsRestart ChangeClass = "needs_restart" // not in force until the node is restarted
)
