package meshtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// ErrDown is wrapped by the errors of writes to an API that is down.
var ErrDown = errors.New("connection refused")

// API is a model of an API server that has only Nodes. Its zero value is empty and up. It must not be copied.
type API struct {
	mu    sync.Mutex
	nodes map[string]*Node
	views []*Cluster
	down  bool
	uids  int
	// parsed holds what mesh.ParseNode returned, which takes its time, by what it was given.
	parsed map[annotated]mesh.Node
	// noPolicies says that the API has no admission policies.
	noPolicies bool
}

// Node is one Node object.
type Node struct {
	// Name is given; the API sets UID and Created.
	Name, UID string
	Created   time.Time
	// PodCIDRs is spec.podCIDRs, NodeIPs the InternalIPs of its status.
	PodCIDRs []netip.Prefix
	NodeIPs  []netip.Addr
	// Key is the private half of what Announcement announces. Unless it is zero, or of another key, Create and Update
	// set the proof, which is for the Node's UID.
	Key keys.Private
	// Announcement and Overrides are its annotations, NetworkAvailable is its condition.
	Announcement     mesh.Announcement
	Overrides        mesh.Overrides
	NetworkAvailable bool
	// NetworkUnavailable is the same condition with the value True.
	NetworkUnavailable bool
}

// annotated is what mesh.ParseNode is given.
type annotated struct {
	id           mesh.Identity
	announcement mesh.Announcement
	overrides    mesh.Overrides
}

// parse returns the Node as other nodes read it. The caller holds mu.
func (a *API) parse(n Node) mesh.Node {
	given := annotated{n.identity(), n.Announcement, n.Overrides}
	if _, ok := a.parsed[given]; !ok {
		if a.parsed == nil {
			a.parsed = map[annotated]mesh.Node{}
		}
		a.parsed[given] = mesh.ParseNode(given.id, given.announcement, given.overrides)
	}
	return a.parsed[given]
}

// identity returns what package mesh wants to know of the object itself.
func (n Node) identity() mesh.Identity {
	return mesh.Identity{Name: n.Name, UID: n.UID, Created: n.Created}
}

// self returns the Node as its own daemon reads it.
func (n Node) self() mesh.Self {
	return mesh.Self{
		Name: n.Name, UID: n.UID, Created: n.Created,
		PodCIDRs: slices.Clone(n.PodCIDRs), NodeIPs: slices.Clone(n.NodeIPs),
		Published: n.Announcement, NetworkAvailable: n.NetworkAvailable,
		NetworkUnavailable: n.NetworkUnavailable,
	}
}

// Create adds Node objects, each a second younger than the one before. It replaces a Node that exists by another with
// the same name and a new UID.
func (a *API) Create(nodes ...Node) {
	a.change(func() {
		for _, n := range nodes {
			a.uids++
			n.UID, n.Created = fmt.Sprintf("uid-%05d", a.uids), time.Unix(1_700_000_000+int64(a.uids), 0)
			n.prove()
			a.nodes[n.Name] = &n
		}
	})
}

// Update changes a Node in place; it must exist.
func (a *API) Update(name string, edit func(n *Node)) {
	a.change(func() {
		edit(a.nodes[name])
		a.nodes[name].prove()
	})
}

// prove sets the proof; see Key.
func (n *Node) prove() {
	if n.Key.IsZero() || n.Announcement.PublicKey != n.Key.Public().String() {
		return
	}
	proof, err := n.Key.Prove(n.UID)
	if err != nil {
		panic("meshtest: " + err.Error())
	}
	n.Announcement.Proof = proof.String()
}

// Delete removes Nodes.
func (a *API) Delete(names ...string) {
	a.change(func() {
		for _, name := range names {
			delete(a.nodes, name)
		}
	})
}

// Node returns a copy of a Node; the zero value if there is none.
func (a *API) Node(name string) Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.nodes[name]; n != nil {
		return *n
	}
	return Node{}
}

// SetDown stops the API, or starts it. While it is down, its followers keep what they have read, and those that have
// read nothing yet wait.
func (a *API) SetDown(down bool) {
	a.change(func() { a.down = down })
}

// SetPoliciesMissing removes the admission policies, or adds them again. What they refuse is not part of the model.
func (a *API) SetPoliciesMissing(missing bool) {
	a.change(func() { a.noPolicies = missing })
}

// change edits the Nodes and shows the result to all followers.
func (a *API) change(edit func()) {
	_ = a.try(func() error { edit(); return nil })
}

// try makes a change that may be refused; then the followers notice nothing.
func (a *API) try(edit func() error) error {
	a.mu.Lock()
	if a.nodes == nil {
		a.nodes = map[string]*Node{}
	}
	if err := edit(); err != nil {
		a.mu.Unlock()
		return err
	}
	for _, view := range a.views {
		view.refresh()
	}
	views := slices.Clone(a.views)
	a.mu.Unlock()
	for _, view := range views {
		view.changed()
	}
	return nil
}

// Follow returns a daemon's view of the cluster from the node of that name. It calls changed when anything in the view
// has changed, as kube.Cluster does.
func (a *API) Follow(name string, changed func()) *Cluster {
	a.mu.Lock()
	defer a.mu.Unlock()
	view := &Cluster{api: a, name: name, changed: changed}
	a.views = append(a.views, view)
	view.refresh()
	return view
}

// Cluster is one daemon's view of an API: an agent.Cluster.
type Cluster struct {
	api     *API
	name    string
	changed func()

	// api.mu protects what follows.
	synced   bool
	seen     map[string]Node
	writes   []string
	writeErr error
}

// refresh reads the API, unless it is down.
func (c *Cluster) refresh() {
	if c.api.down {
		return
	}
	c.synced, c.seen = true, map[string]Node{}
	for name, n := range c.api.nodes {
		c.seen[name] = *n
	}
}

// Synced does as agent.Cluster says.
func (c *Cluster) Synced() bool {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	return c.synced
}

// Waiting does as agent.Cluster says.
func (c *Cluster) Waiting() string {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	if c.api.down {
		return "the API server: " + ErrDown.Error()
	}
	return ""
}

// Nodes does as agent.Cluster says. Its result is sorted, which agent.Cluster does not promise.
func (c *Cluster) Nodes() []mesh.Node {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	var nodes []mesh.Node
	for _, name := range slices.Sorted(maps.Keys(c.seen)) {
		nodes = append(nodes, c.api.parse(c.seen[name]))
	}
	return nodes
}

// Self does as agent.Cluster says.
func (c *Cluster) Self() (mesh.Self, bool) {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	n, ok := c.seen[c.name]
	return n.self(), ok
}

// Publish does as agent.Cluster says.
func (c *Cluster) Publish(_ context.Context, uid string, announcement mesh.Announcement) error {
	return c.write("annotations", uid, func(n *Node) { n.Announcement = announcement })
}

// SetNetworkAvailable does as agent.Cluster says.
func (c *Cluster) SetNetworkAvailable(context.Context) error {
	self, _ := c.Self()
	return c.write("condition", self.UID, func(n *Node) { n.NetworkAvailable, n.NetworkUnavailable = true, false })
}

// SetNetworkUnavailable does as agent.Cluster says.
func (c *Cluster) SetNetworkUnavailable(context.Context, string) error {
	self, _ := c.Self()
	return c.write("condition", self.UID, func(n *Node) { n.NetworkAvailable, n.NetworkUnavailable = false, true })
}

// PolicyInForce does as agent.Cluster says.
func (c *Cluster) PolicyInForce(_ context.Context, uid string) (bool, error) {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	return !c.api.noPolicies, c.refuse(uid)
}

// write makes one change to the own Node, and counts the attempt.
func (c *Cluster) write(what, uid string, edit func(n *Node)) error {
	return c.api.try(func() error {
		c.writes = append(c.writes, what)
		err := c.refuse(uid)
		if err == nil {
			edit(c.api.nodes[c.name])
		}
		return err
	})
}

// refuse returns why the API refuses a write to the own Node; nil if it does not.
func (c *Cluster) refuse(uid string) error {
	switch n := c.api.nodes[c.name]; {
	case c.api.down:
		return fmt.Errorf("write Node %s: %w", c.name, ErrDown)
	case c.writeErr != nil:
		return fmt.Errorf("write Node %s: %w", c.name, c.writeErr)
	case n == nil || n.UID != uid:
		return fmt.Errorf("write Node %s: %w", c.name, mesh.ErrStale)
	}
	return nil
}

// FailWrites makes every write fail with err, until it is called with nil.
func (c *Cluster) FailWrites(err error) {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	c.writeErr = err
}

// Writes returns the attempts to write since the last call: "annotations" or "condition".
func (c *Cluster) Writes() []string {
	c.api.mu.Lock()
	defer c.api.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}
