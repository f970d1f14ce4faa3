package main_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/config"
)

const (
	module = "github.com/vxmesh/vxmesh/"
	root   = "../.."

	maxFile     = 450
	maxTestFile = 900
	maxFunc     = 60
	maxTestFunc = 100
)

// An importRule names packages of this module that pkg (and all below it) must not reach, directly
// or through others. "a/..." is a and all below it; "..." alone is the whole module. What allowed
// names is excepted. A rule may stand here before its package does.
type importRule struct {
	pkg       string
	forbidden []string
	allowed   []string
	why       string
}

var importRules = []importRule{
	{
		"config/...",
		[]string{"..."},
		[]string{"internal/suggest"},
		"the file is described in words of its own; cmd translates it for the parts",
	},
	{
		"identity",
		[]string{"..."},
		[]string{"internal/atomicfile"},
		"who a node is follows from its keys alone; cmd hands them to the parts",
	},
	{
		"membership",
		[]string{"..."},
		[]string{"identity", "internal/atomicfile", "tunnel/roster", "tunnel/wire"},
		"what a member keeps on the disk is signed objects and keys; the engine is given them",
	},
	{
		"internal/atomicfile",
		[]string{"..."},
		nil,
		"files that are whole or not there are of use to anybody",
	},
	{
		"internal/bundle",
		[]string{"..."},
		nil,
		"what looks like a secret is told from text alone",
	},
	{
		"internal/crash",
		[]string{"..."},
		[]string{"internal/atomicfile", "internal/bundle"},
		"what reports a crash must not need what has crashed",
	},
	{
		"internal/guest",
		[]string{"..."},
		[]string{"tundev", "tundev/ether", "tundev/offload", "tundev/station", "internal/wait", "internal/routesock"},
		"a program in a namespace gets an interface; which segment that is in is between cmd and the node",
	},
	{
		"tundev/...",
		[]string{"tunnel/...", "nat/...", "config"},
		nil,
		"a device must be usable without the engine, or it imports a socket for a constant",
	},
	{
		"tunnel/...",
		[]string{"tundev/userspace"},
		nil,
		"who has the system's devices does not link a stack of its own: cmd chooses",
	},
	{
		"tundev/ether",
		[]string{"..."},
		nil,
		"Ethernet is the language that everybody shares, so it can depend on nobody",
	},
	{
		"tundev/station",
		[]string{"..."},
		[]string{"tundev/ether", "tundev/offload"},
		"a host of the segment is frames in, frames out, whatever device is below it",
	},
	{
		"proxy",
		[]string{"..."},
		nil,
		"it joins sockets with a stack that it is given, whoever made that",
	},
	{
		"nat/...",
		[]string{"tunnel/...", "tundev/..."},
		nil,
		"finding a way sends through a function it is given, so it runs on a fake internet",
	},
	{
		"tunnel/bridge",
		[]string{"..."},
		[]string{"tundev/ether", "tunnel/drop"},
		"a table must not know its owner: the switch knows no sockets, devices or peers",
	},
	{
		"tunnel/vxlan",
		[]string{"..."},
		[]string{"tundev/ether", "tundev/offload", "tunnel/drop"},
		"the codec is bytes in, bytes out, for production, the lab and the fuzzer alike",
	},
	{
		"tunnel/drop",
		[]string{"..."},
		nil,
		"the vocabulary of drops is shared by everybody, so it can depend on nobody",
	},
	{
		"tunnel/udp",
		[]string{"..."},
		[]string{"tundev/offload", "tunnel/drop", "internal/wait"},
		"a batching socket carries datagrams and does not know what is in them",
	},
	{
		"tunnel/session",
		[]string{"..."},
		[]string{"tunnel/wire", "tunnel/drop", "internal/aegis"},
		"keys are agreed with one peer; tables of peers and sockets belong to the engine",
	},
	{
		"tunnel/roster",
		[]string{"..."},
		[]string{"tunnel/wire"},
		"who belongs to the network is decided from signed bytes alone",
	},
	{
		"tunnel/wire",
		[]string{"..."},
		nil,
		"the bytes on the wire are named before anything that sends them",
	},
	{
		"tunnel/control/...",
		[]string{"..."},
		[]string{"tunnel/control", "tundev/ether", "tunnel/drop", "internal/suggest"},
		"a client of the local API, such as the TUI, must not link the engine",
	},
	{
		"tunnel/capture",
		[]string{"..."},
		[]string{"tundev/ether", "tunnel/drop"},
		"a tap sees bytes and reasons, not the parts that it listens to",
	},
	{
		"tunnel/...",
		[]string{"config", "ui/..."},
		nil,
		"the engine gets small options whose zero values it documents, not the user's file",
	},
	{
		"topology/...",
		[]string{"config", "ui/...", "lab/..."},
		nil,
		"a simulated network is made of a plan, and shown through the control API as any other",
	},
	{
		"topology/explain",
		[]string{"..."},
		[]string{"tundev/ether", "tundev/offload", "tunnel/drop", "tunnel/session", "tunnel/wire", "internal/aegis"},
		"what a packet is can be said from its bytes",
	},
	{
		"tunnel/simnet",
		[]string{"..."},
		[]string{"tunnel/udp", "tundev/ether", "tundev/offload", "tunnel/drop", "internal/wait"},
		"the internet carries datagrams and knows nobody who sends them",
	},
	{
		"ui/view",
		[]string{"..."},
		[]string{"internal/suggest"},
		"boxes, tables and charts know nothing of networks",
	},
	{
		"ui/...",
		[]string{"..."},
		[]string{"ui/...", "tunnel/control", "tundev/ether", "tunnel/drop", "internal/suggest"},
		"the TUI sees the engine only through the control API, as every other client does",
	},
	{
		"lab/...",
		[]string{"..."},
		[]string{"lab/...", "tundev/ether"},
		"the lab drives the program that people run, from outside",
	},
	{
		"bench/...",
		[]string{"..."},
		[]string{"lab/..."},
		"the bench measures the program that people run, from outside",
	},
}

// pure lists the packages that decide but do not do: time and bytes come in as arguments. That is
// what lets the same code run in production, in the lab, under the fuzzer and on a fake clock.
var pure = []string{
	"tundev/ether", "tundev/offload", "tundev/station", "tunnel/bridge", "tunnel/vxlan", "tunnel/drop",
	"tunnel/session", "tunnel/wire", "tunnel/roster", "topology/explain",
}

// impure is what a pure package does not touch: an import path, or a package's function.
var impure = []string{
	"net", "os", "os/exec", "log", "log/slog", "syscall", "io/fs", "net/http", "math/rand",
	"golang.org/x/sys/unix", "golang.org/x/net/ipv4", "golang.org/x/net/ipv6",
	"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Sleep",
	"time.Tick", "time.NewTicker", "time.NewTimer",
}

// A source is one Go file of the module.
type source struct {
	name  string // relative to the root, with slashes
	pkg   string // its directory
	test  bool
	file  *ast.File
	fset  *token.FileSet
	lines int
}

func (s source) line(p token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(p).Line)
}

// readTree parses every Go file of the module, whatever system or tag it is for.
func readTree(t *testing.T) []source {
	t.Helper()
	var tree []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		s := source{fset: token.NewFileSet(), test: strings.HasSuffix(name, "_test.go")}
		if s.file, err = parser.ParseFile(s.fset, name, nil, parser.ParseComments); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		s.name, s.lines = filepath.ToSlash(rel), s.fset.File(s.file.Pos()).LineCount()
		s.pkg = path.Dir(s.name)
		tree = append(tree, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func imports(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // the parser has seen to it
		paths = append(paths, p)
	}
	return paths
}

// graph maps each package of the module to those it imports outside its tests.
func graph(tree []source) map[string][]string {
	g := map[string][]string{}
	for _, s := range tree {
		if s.test {
			continue
		}
		g[s.pkg] = append(g[s.pkg], nil...)
		for _, p := range imports(s.file) {
			if dep, ours := strings.CutPrefix(p, module); ours && !slices.Contains(g[s.pkg], dep) {
				g[s.pkg] = append(g[s.pkg], dep)
			}
		}
	}
	return g
}

func matches(pattern, pkg string) bool {
	if prefix, tree := strings.CutSuffix(pattern, "..."); tree {
		return strings.HasPrefix(pkg+"/", prefix)
	}
	return pattern == pkg
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// broken lists the imports that break a rule, each with the way from the package to the import.
func broken(rules []importRule, g map[string][]string) []string {
	var found []string
	for _, r := range rules {
		for _, pkg := range slices.Sorted(maps.Keys(g)) {
			if !matches(r.pkg, pkg) {
				continue
			}
			for _, way := range ways(g, pkg) {
				dep := way[len(way)-1]
				if dep != pkg && matchesAny(r.forbidden, dep) && !matchesAny(r.allowed, dep) {
					found = append(found, strings.Join(way, " -> ")+": "+r.why)
				}
			}
		}
	}
	return found
}

// ways returns for every package that can be reached from pkg a shortest way to it.
func ways(g map[string][]string, pkg string) [][]string {
	seen := map[string]bool{pkg: true}
	queue := [][]string{{pkg}}
	for i := 0; i < len(queue); i++ {
		for _, dep := range g[queue[i][len(queue[i])-1]] {
			if !seen[dep] {
				seen[dep] = true
				queue = append(queue, append(slices.Clone(queue[i]), dep))
			}
		}
	}
	return queue[1:]
}

func TestLayoutImports(t *testing.T) {
	for _, b := range broken(importRules, graph(readTree(t))) {
		t.Error(b)
	}
}

// The rules are worth something only if breaking one is seen, also at second hand.
func TestLayoutImportRulesBite(t *testing.T) {
	rules := []importRule{{"ui/...", []string{"..."}, []string{"ui/view", "control"}, "why"}}
	got := broken(rules, map[string][]string{
		"ui":       {"ui/view", "engine"},
		"ui/view":  {"control"},
		"control":  {"config"},
		"engine":   nil,
		"uiengine": {"engine"},
	})
	want := []string{
		"ui -> engine: why", "ui -> ui/view -> control -> config: why",
		"ui/view -> control -> config: why",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("broken rules:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// uses calls f for every pkg.Name that s uses of the packages it imports.
func uses(s source, f func(name string, pos token.Pos)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				f(pkg.Name+"."+sel.Sel.Name, sel.Pos())
			}
		}
		return true
	})
}

func TestLayoutPurePackages(t *testing.T) {
	for _, s := range readTree(t) {
		if s.test || !slices.Contains(pure, s.pkg) {
			continue
		}
		for _, p := range imports(s.file) {
			if slices.Contains(impure, p) {
				t.Errorf("%s imports %s: %s does no I/O and takes what it needs as arguments",
					s.name, p, s.pkg)
			}
		}
		uses(s, func(name string, pos token.Pos) {
			if slices.Contains(impure, name) {
				t.Errorf("%s: %s: %s reads no clock; now is an argument", s.line(pos), name, s.pkg)
			}
		})
	}
}

func TestLayoutOnlyCommandsReadFiles(t *testing.T) {
	files := map[string]string{
		"config":   "only cmd knows the user's file",
		"identity": "only cmd knows where keys are kept; the engine is given them, and a test makes them up",
	}
	for pkg, deps := range graph(readTree(t)) {
		for _, dep := range deps {
			ownKeys := pkg == "membership" && dep == "identity" // the certificate is for these
			if why := files[dep]; why != "" && !matches("cmd/...", pkg) && !ownKeys {
				t.Errorf("%s imports %s: %s", pkg, dep, why)
			}
		}
	}
}

func TestLayoutPackageDocs(t *testing.T) {
	docs := map[string]int{}
	for _, s := range readTree(t) {
		if s.test {
			continue
		}
		docs[s.pkg] += 0
		if s.file.Doc != nil && strings.HasSuffix(strings.TrimSpace(s.file.Doc.Text()), ".") {
			docs[s.pkg]++
		}
	}
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want one, of whole sentences", pkg, n)
		}
	}
}

func TestLayoutLengths(t *testing.T) {
	for _, s := range readTree(t) {
		fileLimit, funcLimit := maxFile, maxFunc
		if s.test {
			fileLimit, funcLimit = maxTestFile, maxTestFunc
		}
		if s.lines > fileLimit {
			t.Errorf("%s has %d lines, at most %d: it holds more than one concept",
				s.name, s.lines, fileLimit)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			if lines > funcLimit {
				t.Errorf("%s: %s has %d lines, at most %d", s.line(f.Pos()), f.Name, lines, funcLimit)
			}
		}
	}
}

func TestLayoutTestsNeitherSleepNorSkip(t *testing.T) {
	banned := []string{"time.Sleep", "t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "f.Skip"}
	for _, s := range readTree(t) {
		if !s.test {
			continue
		}
		bubble := slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
			return i.Path.Value == `"testing/synctest"` // where sleeping is moving the clock
		})
		uses(s, func(name string, pos token.Pos) {
			if slices.Contains(banned, name) && !(bubble && name == "time.Sleep") {
				t.Errorf("%s: %s: wait for a condition; fail and say what is missing",
					s.line(pos), name)
			}
		})
	}
}

// An excuse puts off what the rules ask for, or switches a linter off.
var excuse = regexp.MustCompile(`//nolint|//lint:ignore|\b(TODO|FIXME|XXX)\b`)

func TestLayoutNoExcuses(t *testing.T) {
	for _, s := range readTree(t) {
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if word := excuse.FindString(c.Text); word != "" {
					t.Errorf("%s: %s", s.line(c.Pos()), word)
				}
			}
		}
	}
}

// What people copy must work as it stands.
func TestLayoutExamples(t *testing.T) {
	files, err := filepath.Glob(root + "/examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("examples: %d files, %v", len(files), err)
	}
	for _, name := range files {
		if _, err := config.Load(name); err != nil {
			t.Error(err)
		}
	}
}

// Nothing is missing in these but the other nodes' keys.
func TestLayoutPeerExamples(t *testing.T) {
	for name, peers := range map[string]int{
		"peers/left": 1, "peers/right": 1, "relay/relay": 2, "relay/laptop": 2,
	} {
		_, err := config.Load(root + "/examples/" + name + ".toml")
		problems, _ := errors.AsType[config.Errors](err)
		keys := 0
		for _, p := range problems {
			if strings.HasPrefix(p.Key, "peers[") && strings.HasSuffix(p.Key, "].key") {
				keys++
			}
		}
		if keys != peers || len(problems) != peers {
			t.Errorf("%s: %v, want that %d keys are missing alone", name, err, peers)
		}
	}
}
