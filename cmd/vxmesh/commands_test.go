package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A commandCase is how one command is walked. Every command of the tree has one; `go test` names those
// that have none.
type commandCase struct {
	args   string // that make it do what it does, in a directory with home.toml
	schema string // the file of docs/schemas that its --json is; "" when it prints no data
	client bool   // it needs a node
	lines  bool   // an object a line
	most   int    // arguments that it takes; -1 for any number
	setUp  bool   // it works on the files of a network, which are made for it
	code   int    // how it ends when all is well
	group  bool   // it does nothing but hold others
	reads  string // its standard input
}

var commandCases = map[string]commandCase{
	"":                      {group: true},
	"init":                  {args: "fresh --config fresh.toml --state fresh", schema: "init", most: 1},
	"join":                  {most: 1},
	"invite":                {args: "-n ./home.toml --endpoint 192.0.2.1:1", schema: "invite", setUp: true},
	"invite list":           {args: "-n ./home.toml", schema: "invitations", setUp: true},
	"invite revoke":         {args: "ID -n ./home.toml", schema: "invitations", most: 1, setUp: true},
	"leave":                 {args: "./home.toml --force --yes", schema: "leave", most: 1, setUp: true},
	"status":                {schema: "status", client: true, most: 1},
	"peers":                 {schema: "peers", client: true, most: 1},
	"peer":                  {group: true},
	"peer show":             {args: "nas", schema: "peer", client: true, most: 1},
	"peer add":              {args: "nas --key AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= -n ./home.toml", schema: "peer_added", most: 1, setUp: true},
	"peer pause":            {args: "nas", schema: "peer_changed", client: true, most: 1},
	"peer resume":           {args: "nas", schema: "peer_changed", client: true, most: 1},
	"peer reconnect":        {args: "nas", schema: "peer_changed", client: true, most: 1},
	"peer remove":           {most: 1},
	"peer rename":           {args: "attic loft -n ./home.toml", schema: "peer_renamed", most: 2, setUp: true},
	"ping":                  {args: "nas -c 1", schema: "ping_summary", client: true, most: 1},
	"nc":                    {args: "nas 22", client: true, most: 2},
	"why":                   {args: "office", schema: "why", client: true, most: 1},
	"netcheck":              {schema: "netcheck", client: true, most: 1},
	"doctor":                {args: "-n ./home.toml", schema: "doctor", most: 1, setUp: true, code: -1},
	"wait":                  {args: "--for peer:nas", schema: "wait", most: 1},
	"hosts":                 {schema: "hosts", client: true, most: 1},
	"fdb":                   {schema: "fdb", client: true},
	"fdb show":              {schema: "fdb", client: true},
	"fdb add":               {args: "52:54:00:1a:22:01 device", schema: "fdb_result", client: true, most: 2},
	"fdb del":               {args: "52:54:00:1a:22:01", schema: "fdb_result", client: true, most: 2},
	"fdb flush":             {args: "--all", schema: "fdb_result", client: true},
	"stats":                 {schema: "stats", client: true, most: 1},
	"log":                   {schema: "log", client: true, lines: true, most: 1},
	"events":                {schema: "events", client: true, lines: true, most: 1},
	"capture":               {args: "-w -", client: true},
	"debug":                 {group: true},
	"debug packets":         {client: true},
	"debug stacks":          {client: true},
	"debug profile":         {args: "heap", client: true, most: 1},
	"run":                   {most: -1},
	"reload":                {schema: "reload", client: true, most: 1},
	"config":                {group: true},
	"config check":          {args: "home.toml", schema: "config_check", most: -1, setUp: true},
	"config show":           {args: "home.toml", schema: "config", most: 1, setUp: true},
	"config example":        {},
	"key":                   {group: true},
	"key new":               {args: "--state elsewhere", schema: "key"},
	"key show":              {args: "--config home.toml", schema: "key", setUp: true},
	"key export":            {args: "--config home.toml --out k.age", schema: "key_export", setUp: true, reads: "open sesame\n"},
	"key import":            {args: "k.age --config home.toml", schema: "key_import", most: 1, setUp: true, reads: "open sesame\n"},
	"completion":            {group: true},
	"completion bash":       {},
	"completion zsh":        {},
	"completion fish":       {},
	"completion powershell": {},
	"service":               {group: true},
	"service install":       {most: 1},
	"service uninstall":     {most: 1},
	"service start":         {most: 1},
	"service stop":          {most: 1},
	"service status":        {most: 1},
	"version":               {schema: "version"},
	"help":                  {schema: "commands", most: -1},
	"tui":                   {most: -1},
	"demo":                  {},
	"lab":                   {most: 1},
	"lab exec":              {most: -1},
	"lab list":              {args: "--dir nowhere", schema: "labs"},
	"lab set":               {most: 1},
	"lab stop":              {most: 1},
	"lab example":           {},
}

// TestEveryCommand walks the whole tree.
func TestEveryCommand(t *testing.T) {
	seen := map[string]bool{}
	eachCommand(newRootCmd(&globals{}), func(c *cobra.Command) {
		_, name, _ := strings.Cut(c.CommandPath(), " ")
		k, ok := commandCases[name]
		if seen[name] = true; !ok {
			t.Errorf("vxmesh %s is not among the cases of this test", name)
			return
		}
		t.Run(strings.ReplaceAll("vxmesh "+name, " ", "_"), func(t *testing.T) {
			k.helps(t, name)
			k.refuses(t, c, name)
			k.missesNode(t, name)
			k.printsJSON(t, name)
		})
	})
	for name := range commandCases {
		if !seen[name] && name != "help" && name != "tui" {
			t.Errorf("there is no command %q any more", name)
		}
	}
}

func (k commandCase) helps(t *testing.T, name string) {
	r := vxmesh(t, append(strings.Fields(name), "--help")...)
	at := strings.Index(r.out, "Examples:\n")
	if r.code != exitOK || r.errOut != "" || at < 0 || at > strings.Index(r.out, "Usage:\n") {
		t.Errorf("help: %+v", r)
	}
}

// refuses: an unknown flag, and one argument too many.
func (k commandCase) refuses(t *testing.T, c *cobra.Command, name string) {
	args := append(strings.Fields(name), "--jsn")
	if r := vxmesh(t, args...); r.code != exitUsage || r.out != "" ||
		!strings.HasSuffix(strings.TrimSpace(r.errOut), "did you mean --json?") {
		t.Errorf("%v: %+v", args, r)
	}
	if k.most < 0 {
		return
	}
	args = append(strings.Fields(name), slices.Repeat([]string{"zzzzz"}, k.most+1)...)
	r := vxmesh(t, append(args, "--json")...)
	if e := errorOf(t, r); r.code != exitUsage || e.Code != control.CodeUsage || r.out != "" {
		t.Errorf("%v: %+v", args, r)
	}
	validate(t, "error", r.errOut)
}

// missesNode: what needs a node says that there is none, and one that may not be used.
func (k commandCase) missesNode(t *testing.T, name string) {
	if !k.client {
		return
	}
	args := append(strings.Fields(name), strings.Fields(k.args)...)
	none := filepath.Join(t.TempDir(), "home.sock")
	r := vxmesh(t, append(args, "--json", "--socket", none)...)
	if e := errorOf(t, r); r.code != exitNoNode || e.Code != control.CodeNoNode || r.out != "" {
		t.Errorf("no node: %+v", r)
	}
	validate(t, "error", r.errOut)
	r = vxmesh(t, append(args, "-n", "no-such-network")...)
	files := name == "hosts" || name == "peer show" // they look there next
	if !files && (r.code != exitNoNode || !strings.Contains(r.errOut, "\n  run it here  ")) ||
		files && r.code != exitNotFound {
		t.Errorf("no node by name: %+v", r)
	}
}

// printsJSON: what is printed is what the schema says, and nothing else.
func (k commandCase) printsJSON(t *testing.T, name string) {
	if k.schema == "" {
		return
	}
	args := append(strings.Fields(name), strings.Fields(k.args)...)
	switch {
	case k.setUp:
		t.Chdir(t.TempDir())
		id := foundNetwork(t)
		if name == "key import" {
			exported := vxmeshReading(t, "open sesame\n", "key", "export", "--config", "home.toml", "--out", "k.age")
			exported.wantCode(t, exitOK)
		}
		if i := slices.Index(args, "ID"); i >= 0 {
			args[i] = id
		}
	case name == "init" || name == "key new":
		t.Chdir(t.TempDir())
	default:
		n := controltest.New()
		hello := slog.NewRecord(time.Now(), slog.LevelInfo, "hello", 0)
		hello.Add("peer", "nas")
		_ = n.Log.Handle(t.Context(), hello) // it takes everything
		args = append(args, "--socket", n.Serve(t))
	}
	out := k.output(t, append(args, "--json"))
	if !k.lines {
		validate(t, k.schema, out)
		return
	}
	for line := range strings.Lines(out) {
		validate(t, k.schema, line)
	}
}

func (k commandCase) output(t *testing.T, args []string) string {
	if k.lines { // some never end
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lines := cancelAfter{n: 1, cancel: cancel}
		if code := new(globals).run(ctx, args, nil, &lines, &lines); code != exitOK {
			t.Errorf("%v: exit code %d: %s", args, code, lines.String())
		}
		return lines.String()
	}
	r := vxmeshReading(t, k.reads, args...)
	if k.code >= 0 {
		r.wantCode(t, k.code)
	}
	return r.out
}

func (r result) wantCode(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d: %s", r.code, code, r.errOut)
	}
}

// vxmeshReading is [vxmesh] with a standard input.
func vxmeshReading(t *testing.T, in string, args ...string) (r result) {
	t.Helper()
	var out, errOut bytes.Buffer
	r.code = new(globals).run(t.Context(), args, strings.NewReader(in), &out, &errOut)
	r.out, r.errOut = out.String(), errOut.String()
	return r
}

// foundNetwork makes a network in the current directory, and gives the id of its first invitation.
func foundNetwork(t *testing.T) (invitation string) {
	t.Helper()
	name := "walk-" + strings.ToLower(filepath.Base(t.TempDir()))
	vxmesh(t, "init", name, "--name", "attic", "--config", "home.toml", "--state", "state").wantCode(t, exitOK)
	r := vxmesh(t, "invite", "list", "-n", "./home.toml", "--json")
	var list control.Invitations
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list.Invitations) == 0 {
		t.Fatalf("invitations: %v: %+v", err, r)
	}
	return list.Invitations[0].ID
}

// TestNoRights: a node that lets nobody in, and a socket that cannot be opened, are exit code 4 with
// what to do.
func TestNoRights(t *testing.T) {
	refusing := filepath.Join(t.TempDir(), "home.sock")
	l, err := net.Listen("unix", refusing)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(&control.Error{
			Code: control.CodePermission, Message: "not for you", Fix: []string{"use sudo"},
		})
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	sockets := []string{refusing}
	if os.Geteuid() > 0 { // root may open anything
		closed := t.TempDir()
		sockets = append(sockets, controltest.New().ServeAt(t, filepath.Join(closed, "home.sock")))
		_ = os.Chmod(closed, 0)
		t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	}
	for name, k := range commandCases {
		args := append(strings.Fields(name), strings.Fields(k.args)...)
		for _, socket := range sockets {
			if !k.client {
				continue
			}
			r := vxmesh(t, append(args, "--socket", socket)...)
			if r.code != exitPermission || r.out != "" || !strings.Contains(r.errOut, "\n  use sudo") {
				t.Errorf("%v: %+v", args, r)
			}
		}
	}
}

var (
	schemas      = newSchemas()
	schemaDir, _ = filepath.Abs("../../docs/schemas") // before any test goes elsewhere
)

// newSchemas checks the formats as well, which the standard leaves open.
func newSchemas() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c
}

// validate wants a text to be what a schema of docs/schemas says.
func validate(t *testing.T, schema, text string) {
	t.Helper()
	s, err := schemas.Compile(filepath.Join(schemaDir, schema+".json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%s.json: %v\n%s", schema, err, text)
	}
}

// TestSchemas: every file is a schema, names itself, allows nothing but what it names, and belongs to a
// command.
func TestSchemas(t *testing.T) {
	used := []string{"error", "ping_mtu", "ping_paths", "peer_removed", "history", "members", "ping", "ping_overlay", "publish", "service"}
	for _, k := range commandCases {
		used = append(used, k.schema)
	}
	files, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if !slices.Contains(used, name) {
			t.Errorf("%s is no command's", f)
		}
		text, err := os.ReadFile(f)
		var top map[string]any
		if err = errors.Join(err, json.Unmarshal(text, &top)); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if top["$id"] != "https://github.com/vxmesh/vxmesh/docs/schemas/"+name+".json" {
			t.Errorf("%s calls itself %v", f, top["$id"])
		}
		if open := bytes.Count(text, []byte(`"properties": {`)) - bytes.Count(text, []byte(`"additionalProperties": false`)); open > 0 {
			t.Errorf("%s: %d objects allow anything", f, open)
		}
		if _, err := schemas.Compile(f); err != nil {
			t.Error(err)
		}
	}
}
