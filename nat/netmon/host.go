package netmon

// host is this machine, each system in files of its own.
type host struct{}

// Snapshot reads how this machine is connected now. It may be called concurrently; on Linux it is
// about the network namespace of the calling thread.
func Snapshot() (State, error) { return host{}.snapshot() }

func (host) snapshot() (State, error) {
	var s State
	var err error
	if s.Interfaces, err = interfaces(); err != nil {
		return State{}, err
	}
	s.sort()
	routes, err := defaultRoutes()
	if err != nil {
		return State{}, err
	}
	s.setDefaults(routes)
	return s, nil
}
