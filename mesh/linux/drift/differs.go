package drift

import (
	"maps"
	"slices"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// differs reads the parts and reports whether they differ from what is expected. What cannot be read differs: the
// observation that follows says why. Call it with the host's lock held.
func (e *Expected) differs(parts Parts, r Reader) bool {
	checks := []struct {
		part  Parts
		check func(Reader) (bool, error)
	}{
		{Interfaces, e.linksDiffer}, {Routes, e.routesDiffer}, {Rules, e.rulesDiffer}, {Sysctls, e.sysctlsDiffer},
		{Uplinks, e.uplinksDiffer}, {Obstacles, e.obstructed},
	}
	for _, c := range checks {
		if parts&c.part == 0 {
			continue
		}
		if differs, err := c.check(r); differs || err != nil {
			return true
		}
	}
	return false
}

// obstructed reads nothing: where something was in the way, another try is worth it.
func (e *Expected) obstructed(Reader) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.obstacles) > 0, nil
}

func (e *Expected) routesDiffer(r Reader) (bool, error) {
	all, err := r.Routes()
	return e.known && !maps.Equal(byKey(all), e.routes), err
}

func (e *Expected) rulesDiffer(r Reader) (bool, error) {
	all, err := r.Rules()
	return e.known && !slices.Equal(all, e.parts.Rules), err
}

func (e *Expected) sysctlsDiffer(r Reader) (bool, error) {
	all, err := r.Sysctls()
	return e.known && !same(all, e.parts.Sysctls), err
}

// uplinksDiffer reports whether there is an interface that takes router advertisements and was not observed.
func (e *Expected) uplinksDiffer(r Reader) (bool, error) {
	names, err := r.Uplinks()
	for _, name := range names {
		known := func(s mesh.Sysctl) bool { return s.Name == mesh.AcceptRA(name) }
		if e.known && !slices.ContainsFunc(e.parts.Sysctls, known) {
			return true, err
		}
	}
	return false, err
}

// linksDiffer also learns the interfaces' indices: whoever applies a change that creates one does not know its index.
func (e *Expected) linksDiffer(r Reader) (bool, error) {
	seen, err := r.Links()
	if err != nil {
		return false, err
	}
	moved, err := e.underlayDiffers(r)
	e.mu.Lock()
	defer e.mu.Unlock()
	appeared := (e.linkIndex == 0) != (seen.LinkIndex == 0)
	e.linkIndex, e.bridgeIndex = seen.LinkIndex, seen.BridgeIndex
	if !e.known {
		return appeared, err
	}
	return !sameLink(seen.Link, e.parts.Link) || !sameBridge(seen.Bridge, e.parts.Bridge) || moved, err
}

// underlayDiffers reads the MTUs of the interfaces that SetUnderlay named.
func (e *Expected) underlayDiffers(r Reader) (bool, error) {
	e.mu.Lock()
	expected := e.underlay
	e.mu.Unlock()
	for index, mtu := range expected {
		if seen, err := r.MTU(index); seen != mtu || err != nil {
			return true, err
		}
	}
	return false, nil
}

// deviceDiffers reads the device and compares what only the configuration changes of it. The zero value of seen means
// that it cannot be read. Call it with the host's lock held.
func (e *Expected) deviceDiffers(r Reader) (seen Device, differs bool) {
	seen, err := r.Device()
	switch {
	case err != nil || seen.Answers != e.answers:
		return Device{}, true
	case !e.known || !seen.Answers:
		return seen, false
	}
	return seen, seen.Device != e.parts.Device || !samePeers(seen.Peers, e.peers)
}

func sameLink(a, b mesh.Link) bool {
	return a.Name == b.Name && a.MTU == b.MTU && a.Up == b.Up && same(a.Addresses, b.Addresses)
}

func sameBridge(a, b mesh.Bridge) bool {
	return a.Name == b.Name && a.MTU == b.MTU && same(a.Addresses, b.Addresses)
}

// same compares two lists in whatever order.
func same[T comparable](a, b []T) bool { return maps.Equal(setOf(a), setOf(b)) }

// samePeers compares what only the configuration changes of peers: not their endpoints, which roam.
func samePeers(seen []mesh.Peer, expected map[keys.Public]mesh.Peer) bool {
	if len(seen) != len(expected) {
		return false
	}
	for _, p := range seen {
		want, ok := expected[p.PublicKey]
		if !ok || p.Keepalive != want.Keepalive || p.Preshared != want.Preshared ||
			!slices.Equal(p.AllowedIPs, want.AllowedIPs) {
			return false
		}
	}
	return true
}

func setOf[T comparable](all []T) map[T]struct{} {
	set := make(map[T]struct{}, len(all))
	for _, one := range all {
		set[one] = struct{}{}
	}
	return set
}
