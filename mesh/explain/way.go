package explain

import (
	"fmt"
	"slices"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// WaysKind is Ways' kind.
const WaysKind = "Ways"

// Ways are what a cluster does with packets from one pod: with one packet, or with one for each endpoint of a Service.
type Ways struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	ObservedAt time.Time `json:"observedAt"`
	Ways       []Way     `json:"ways"`
}

// NewWays returns a document of ways that were found at a time.
func NewWays(at time.Time, ways []Way) Ways {
	return Ways{APIVersion: status.APIVersion, Kind: WaysKind, ObservedAt: at, Ways: ways}
}

// Way is what the two nodes of a packet's ends do with it.
type Way struct {
	// From and To read "shop/web-0 10.244.1.7 on node-a".
	From string `json:"from"`
	To   string `json:"to"`
	// Legs are the nodes in the order in which the packet meets them: one where it stays on its node or leaves the
	// mesh, else two.
	Legs []Leg `json:"legs"`
	// Verdict is Explanation's over all legs, whose steps are counted on, and names the node.
	Verdict string `json:"verdict"`
}

// Leg is what one node does with the packet.
type Leg struct {
	Node string `json:"node"`
	// Steps has a single step of its own, which is unknown, where the node has not answered.
	Steps []view.Check `json:"steps"`
}

// StepNode is the only step of a node that has not answered.
const StepNode = "node"

// Silent returns the leg of a node that has not answered, for a reason.
func Silent(node, reason string) Leg {
	return Leg{Node: node, Steps: []view.Check{unknown(StepNode, "%s", reason)}}
}

// Join returns the way of a packet through the legs. Nothing beyond a step that drops the packet changes the verdict.
func Join(from, to string, legs ...Leg) Way {
	w := Way{From: from, To: to, Legs: legs}
	steps := w.Steps()
	w.Verdict = verdict(steps)
	for _, result := range []view.Result{view.Fail, view.Unknown} {
		if i := slices.IndexFunc(steps, func(c view.Check) bool { return c.Result == result }); i >= 0 {
			if node := w.nodeOf(i); node != "" {
				w.Verdict += ", on " + node
			}
			break
		}
	}
	return w
}

// nodeOf returns the node of a step, which is counted from 0.
func (w Way) nodeOf(step int) string {
	for _, l := range w.Legs {
		if step < len(l.Steps) {
			return l.Node
		}
		step -= len(l.Steps)
	}
	return ""
}

// Steps returns those of all legs.
func (w Way) Steps() (all []view.Check) {
	for _, l := range w.Legs {
		all = append(all, l.Steps...)
	}
	return all
}

// Steps returns those of all ways.
func (w Ways) Steps() (all []view.Check) {
	for _, one := range w.Ways {
		all = append(all, one.Steps()...)
	}
	return all
}

// String reads "shop/web-0 10.244.1.7 on node-a → shop/db-0 10.244.2.9 on node-b".
func (w Way) String() string { return fmt.Sprintf("%s → %s", w.From, w.To) }
