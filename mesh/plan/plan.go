// Package plan says what a mesh of Nodes would look like on each of them, before any daemon runs: the core on a laptop.
// It is pure: Nodes in, states and problems out.
package plan

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Member is a Node of the plan.
type Member struct {
	// Self is the Node as its own daemon reads it, without a key.
	Self mesh.Self
	// Overrides are an administrator's annotations.
	Overrides mesh.Overrides
}

// Host is what one node would look like.
type Host struct {
	Node string `json:"node"`
	// Assumed says that the Node announces nothing yet, and that the plan has a key of its own in the place of the one
	// that the daemon will make.
	Assumed bool `json:"assumed,omitempty"`
	// Desired is what its daemon would make; the zero value where it would make nothing.
	Desired mesh.State `json:"-"`
	// Waiting says why its daemon would wait or refuse; empty where it would not.
	Waiting string `json:"waiting,omitempty"`
	// Problems are what its daemon would report, of all nodes.
	Problems []mesh.Problem `json:"problems,omitempty"`
}

// Compute returns what every node would look like, in the order of the members. What a Node announces counts as it is;
// a Node that announces nothing is taken to announce what its daemon would.
func Compute(cfg mesh.Config, members []Member) []Host {
	var selves []mesh.Self
	var nodes []mesh.Node
	for _, m := range members {
		self, node := m.assume(cfg)
		selves, nodes = append(selves, self), append(nodes, node)
	}
	hosts := make([]Host, len(selves))
	for i, self := range selves {
		desired, problems, err := mesh.Desired(cfg, self, nodes)
		hosts[i] = Host{Node: self.Name, Assumed: members[i].silent(), Desired: desired, Problems: problems}
		if err != nil {
			hosts[i].Waiting = err.Error()
		}
	}
	return hosts
}

// Announcement returns what a Node's daemon would announce, with a key that stands in for the one that it would make.
func Announcement(cfg mesh.Config, self mesh.Self) mesh.Announcement {
	self.PublicKey, self.Proof = standIn(self.Name, self.UID)
	return mesh.Announce(cfg, self)
}

func (m Member) silent() bool { return m.Self.Published == mesh.Announcement{} }

// assume returns the Node as its own daemon and as others read it once it has announced itself.
func (m Member) assume(cfg mesh.Config) (mesh.Self, mesh.Node) {
	self := m.Self
	if self.UID == "" { // a Node that was never in a cluster
		self.UID = "plan-" + self.Name
	}
	announcement := self.Published
	if m.silent() {
		announcement = Announcement(cfg, self)
	}
	identity := mesh.Identity{Name: self.Name, UID: self.UID, Created: self.Created}
	node := mesh.ParseNode(identity, announcement, m.Overrides)
	self.PublicKey = node.PublicKey
	return self, node
}

// standIn returns a key in the place of the one that a daemon will make. It is no secret: whoever has the name has it.
func standIn(name, uid string) (keys.Public, keys.Proof) {
	seed := sha256.Sum256([]byte("warren plan " + name))
	key, err := keys.ParsePrivate(base64.StdEncoding.EncodeToString(seed[:]))
	if err != nil { // 32 bytes that are not all zero are a key
		panic(fmt.Sprintf("stand-in key of %s: %v", name, err))
	}
	proof, err := key.Prove(uid)
	if err != nil { // a key proves itself
		panic(fmt.Sprintf("proof of %s: %v", name, err))
	}
	return key.Public(), proof
}
