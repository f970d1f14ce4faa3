package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// A mutant is a file with one condition changed.
type mutant struct {
	file, function, condition, form string
	line                            int
	source                          []byte
}

// String names the mutant so that it is found again when lines have moved.
func (m mutant) String() string {
	return strings.Join([]string{filepath.Base(m.file), m.function, m.condition, m.form}, " | ")
}

// The forms, and what stands around the condition in each.
const (
	alwaysTrue  = "always true"
	alwaysFalse = "always false"
	opposite    = "opposite"
)

var around = map[string][2]string{
	alwaysTrue: {"((", ") || true)"}, alwaysFalse: {"((", ") && false)"}, opposite: {"!(", ")"},
}

// find makes the mutants of all files that are no tests.
func find(names []string, only string) ([]mutant, error) {
	var all []mutant
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasSuffix(base, "_test.go") || only != "" && base != only {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		mutants, err := mutantsOf(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// mutantsOf makes the mutants of one file.
func mutantsOf(name string, source []byte) ([]mutant, error) {
	f := finder{name: name, source: source, fset: token.NewFileSet(), done: map[ast.Expr]bool{}}
	file, err := parser.ParseFile(f.fset, name, source, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.function = fn.Name.Name
			ast.Inspect(fn, f.visit)
		}
	}
	return f.mutants, nil
}

type finder struct {
	name     string
	source   []byte
	fset     *token.FileSet
	function string
	done     map[ast.Expr]bool
	mutants  []mutant
}

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.condition(n.Cond, false)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.condition(n.Cond, true)
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					f.condition(e, false)
				}
			}
		}
	case *ast.BinaryExpr:
		switch n.Op {
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR:
			f.condition(n, false)
		}
	}
	return true
}

// condition mutates an expression and the conditions that it is made of. A loop does not become
// endless.
func (f *finder) condition(e ast.Expr, loop bool) {
	if f.done[e] {
		return
	}
	f.done[e] = true
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.condition(e.X, loop)
		return
	case *ast.BinaryExpr:
		if e.Op == token.LAND || e.Op == token.LOR {
			f.condition(e.X, false)
			f.condition(e.Y, false)
			if e.Op == token.LOR { // the other value follows from its parts
				f.add(e, alwaysFalse)
			} else if !loop {
				f.add(e, alwaysTrue)
			}
			return
		}
	}
	f.add(e, alwaysFalse)
	if !loop {
		f.add(e, alwaysTrue)
		f.add(e, opposite)
	}
}

func (f *finder) add(e ast.Expr, form string) {
	from, to := f.fset.Position(e.Pos()), f.fset.Position(e.End())
	text := string(f.source[from.Offset:to.Offset])
	source := fmt.Sprint(string(f.source[:from.Offset]), around[form][0], text, around[form][1],
		string(f.source[to.Offset:]))
	f.mutants = append(f.mutants, mutant{
		file: f.name, function: f.function, condition: strings.Join(strings.Fields(text), " "),
		form: form, line: from.Line, source: []byte(source),
	})
}
