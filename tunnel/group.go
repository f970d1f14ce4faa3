package tunnel

import "golang.org/x/sync/errgroup"

// A group is goroutines of the engine: each defers [Options.Guard] first of all.
type group struct {
	*errgroup.Group
	guard func()
}

// guarded has the goroutines of g be guarded.
func (n *Node) guarded(g *errgroup.Group) *group { return &group{g, n.options.Guard} }

// Go runs f on a goroutine of its own, as [errgroup.Group.Go].
func (g *group) Go(f func() error) {
	g.Group.Go(func() error {
		defer g.guard()
		return f()
	})
}
