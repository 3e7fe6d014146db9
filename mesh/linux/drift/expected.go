package drift

import (
	"net/netip"
	"sync"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Expected is what the host is expected to look like: as it was last observed, with what has been applied since. A
// notification that agrees with it is about a change that warren made itself. The zero value expects nothing yet.
type Expected struct {
	// mu protects all fields. Whoever holds the host's lock (Watcher.Lock) too takes that one first; MayDiffer and
	// SetUnderlay take mu alone, so that receiving notifications never waits for the host to be read or changed. Fields
	// other than underlay are written only with the host's lock held, so its holder may read them without mu.
	mu sync.Mutex
	// known is whether the host was observed, and every change applied since succeeded. Else the agent is about to
	// observe it anyway, and only an interface or a device that comes or goes is news.
	known bool
	// observing is set while the host is being observed: a notification that arrives meanwhile may tell of a change
	// from before the reading or after it, so each one may contradict.
	observing bool
	// indices are the interfaces'.
	linkIndex, bridgeIndex int
	underlay               underlay
	// obstacles are where the change that was tried last found routes of somebody else's.
	obstacles map[mesh.RouteKey]bool
	// answers is Device.Answers.
	answers bool
	// parts has the parts that are small in every mesh: Link, Bridge, Device, Rules and Sysctls. Routes and peers are
	// indexed, so that a notification and a change cost the same in a mesh of any size.
	parts  mesh.State
	routes map[mesh.RouteKey]mesh.Route
	peers  map[keys.Public]mesh.Peer
	// holders says which peer has an allowed IP.
	holders map[netip.Prefix]keys.Public
}

// underlay are the interfaces whose MTUs the mesh's follows: these MTUs in bytes by their indices; nil before
// SetUnderlay.
type underlay map[int]int

// BeginObserve makes every notification count until Confirm or Invalidate. Call it before the host is read.
func (e *Expected) BeginObserve() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observing = true
}

// Observed replaces what is expected by what was observed. The lists in seen are sorted, as those of a mesh.State are.
func (e *Expected) Observed(seen Seen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observing, e.known = false, true
	e.linkIndex, e.bridgeIndex, e.answers = seen.LinkIndex, seen.BridgeIndex, seen.Device.Answers
	e.parts = mesh.State{Link: seen.Link, Bridge: seen.Bridge, Device: seen.Device.Device, Rules: seen.Rules,
		Sysctls: seen.Sysctls}
	e.routes = byKey(seen.Routes)
	e.peers = make(map[keys.Public]mesh.Peer, len(seen.Device.Peers))
	e.holders = make(map[netip.Prefix]keys.Public, 2*len(seen.Device.Peers))
	for _, p := range seen.Device.Peers {
		e.addPeer(p)
	}
}

// Invalidate is for an observation or a change that failed: nothing is known until the next observation.
func (e *Expected) Invalidate() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observing, e.known = false, false
}

// Apply expects a change. Call it before the change is made, since notifications may come before the calls return that
// cause them. It costs as much as the change is large.
func (e *Expected) Apply(c mesh.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.obstacles = nil
	if !e.known {
		return
	}
	// The firewall is not compared.
	c.Firewall, c.NodeIPs = nil, mesh.Edits[netip.Addr]{}
	part := e.take(c).Apply(c)
	for _, r := range part.Routes {
		e.routes[r.Key()] = r
	}
	for _, p := range part.Peers {
		e.addPeer(p)
	}
	part.Routes, part.Peers = nil, nil
	e.parts = part
}

// Confirm is for a change that succeeded: a device that was set up answers.
func (e *Expected) Confirm(c mesh.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers = e.answers || c.Device != nil
}

// AddObstacle makes the removal of somebody else's route count, which is where warren wants its own, until the next
// Apply.
func (e *Expected) AddObstacle(key mesh.RouteKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.obstacles == nil {
		e.obstacles = map[mesh.RouteKey]bool{}
	}
	e.obstacles[key] = true
}

// SetUnderlay makes changes of these interfaces' MTUs count: they are in bytes, by their indices. All count, not only
// the least: another one may be lowered below it. The map must not be changed afterwards.
func (e *Expected) SetUnderlay(mtus map[int]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.underlay = mtus
}
