//go:build !linux

package tunnel

func newRoutes() (routes, error) { return blindRoutes{}, nil }
