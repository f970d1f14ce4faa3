package netmon

import "time"

// loop waits for what may mean a change, and looks.
func (m *Monitor) loop(r *run) {
	clock := time.NewTicker(clockEvery)
	defer clock.Stop()
	poll := time.NewTimer(m.pollEvery())
	defer poll.Stop()
	var soon <-chan time.Time // set from the first message of a burst until its look
	for {
		select {
		case <-r.done:
			return
		case <-r.changed:
			if soon == nil {
				soon = time.After(m.options.Debounce)
			}
			continue
		case <-clock.C:
			if m.slept() {
				m.publish(Resume)
			}
			continue
		case <-r.lost: // the next look opens them again
			m.watcher = nil
		case <-soon:
			soon = nil
		case <-poll.C:
			m.listen(r)
		}
		m.look()
		poll.Reset(m.pollEvery())
	}
}

func (m *Monitor) pollEvery() time.Duration {
	switch {
	case m.options.PollEvery > 0:
		return m.options.PollEvery
	case m.watcher == nil:
		return blindEvery
	}
	return lookEvery
}

// slept compares the clocks with the last look at them.
func (m *Monitor) slept() bool {
	now := m.system.clocks()
	gone := now.since(m.last)
	m.last = now
	return gone > clockEvery+leap
}

// look reads the state and tells what changed. What the system tells first after sleep is often an
// interface that is up again, so the clocks are looked at too.
func (m *Monitor) look() {
	if m.slept() {
		m.publish(Resume)
		return
	}
	m.publish(0)
}

// publish reads the state and tells of its changes, and of kinds in any case.
func (m *Monitor) publish(kinds Kinds) {
	state, err := m.system.snapshot()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil { // what was known is still the best guess
		m.log.Debug("cannot read interfaces", "error", err)
		state = m.state
	}
	kinds |= state.changes(m.state, m.options.Ignore)
	m.state = state
	if kinds == 0 {
		return
	}
	m.log.Debug("the network changed", "kinds", kinds, "interface", state.DefaultInterface,
		"gateway4", state.Gateway4, "gateway6", state.Gateway6)
	for s := range m.told {
		s.put(Event{Kinds: kinds, State: state})
	}
}
