package agent_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// memory is a host that does what it is told and remembers it as a mesh.State. What a kernel would do besides is the
// business of the model in meshtest; here it is the loop that is tested.
type memory struct {
	mu         sync.Mutex
	state      mesh.State
	applied    []mesh.Change
	observed   int
	kicked     []netip.Addr
	mtu        int
	observeErr error
	applyErr   error
	watchErr   error
	poke       func()
	// gate, where not nil, holds Observe until it is closed.
	gate chan struct{}
}

func newMemory() *memory { return &memory{mtu: 1500} }

func (m *memory) Observe(context.Context) (mesh.State, error) {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observed++
	return m.state, m.observeErr
}

func (m *memory) Apply(_ context.Context, c mesh.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.applyErr != nil {
		return m.applyErr
	}
	m.applied = append(m.applied, c)
	m.apply(c)
	return nil
}

func (m *memory) apply(c mesh.Change) {
	s := &m.state
	if c.Link != nil {
		s.Link.Name, s.Link.MTU, s.Link.Up = c.Link.Name, c.Link.MTU, c.Link.Up
	}
	if c.Device != nil {
		s.Device = *c.Device
	}
	if c.Firewall != nil {
		s.Firewall = *c.Firewall
	}
	s.Sysctls = append(s.Sysctls, c.Sysctls...)
	s.Link.Addresses = edit(s.Link.Addresses, c.Addresses)
	s.Firewall.NodeIPs = edit(s.Firewall.NodeIPs, c.NodeIPs)
	s.Routes = edit(s.Routes, c.Routes)
	s.Rules = edit(s.Rules, c.Rules)
	s.Peers = slices.Concat(s.Peers, c.Peers.Add)
	s.Peers = slices.DeleteFunc(s.Peers, func(p mesh.Peer) bool {
		return slices.ContainsFunc(c.Peers.Remove, func(r mesh.Peer) bool { return r.PublicKey == p.PublicKey })
	})
	for _, u := range c.Peers.Update {
		i := slices.IndexFunc(s.Peers, func(p mesh.Peer) bool { return p.PublicKey == u.PublicKey })
		if u.Endpoint != nil {
			s.Peers[i].Endpoint = *u.Endpoint
		}
		if u.AllowedIPs != nil {
			s.Peers[i].AllowedIPs = u.AllowedIPs
		}
	}
	s.Sort()
}

func edit[T comparable](list []T, e mesh.Edits[T]) []T {
	list = slices.DeleteFunc(slices.Clone(list), func(value T) bool { return slices.Contains(e.Remove, value) })
	return append(list, e.Add...)
}

func (m *memory) UnderlayMTU([]netip.Addr) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mtu, nil
}

func (m *memory) Kick(_ context.Context, gateways []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kicked = append(m.kicked, gateways...)
}

func (m *memory) Watch(ctx context.Context, poke func()) error {
	m.mu.Lock()
	m.poke = poke
	err := m.watchErr
	m.mu.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *memory) Leaks(context.Context) (map[string]uint64, error) {
	return map[string]uint64{"leak-pod": 3}, nil
}

func (m *memory) Operations() map[string]uint64 { return map[string]uint64{"route-add": 7} }

// fail makes Observe and Apply fail; nil mends them.
func (m *memory) fail(observe, apply error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observeErr, m.applyErr = observe, apply
}

// meddle changes the host behind the daemon's back, which the watch reports.
func (m *memory) meddle(change func(s *mesh.State)) {
	m.mu.Lock()
	change(&m.state)
	poke := m.poke
	m.mu.Unlock()
	if poke != nil {
		poke()
	}
}

// now is the host as it is.
func (m *memory) now() mesh.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// activity is what was done since it was last asked for.
func (m *memory) activity() (observed int, applied []mesh.Change, kicked []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	observed, applied, kicked = m.observed, m.applied, m.kicked
	m.observed, m.applied, m.kicked = 0, nil, nil
	return observed, applied, kicked
}

// peers are the peers' keys.
func (m *memory) peers() []keys.Public {
	var all []keys.Public
	for _, p := range m.now().Peers {
		all = append(all, p.PublicKey)
	}
	return all
}
