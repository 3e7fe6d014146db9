package explain

import (
	"fmt"
	"slices"
	"time"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// Kind is Explanation's kind.
const Kind = "Explanation"

// Explanation is what a node does with a packet, and with its answer.
type Explanation struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Source     status.Source `json:"source"`
	ObservedAt time.Time     `json:"observedAt"`
	Node       string        `json:"node,omitempty"`
	From       string        `json:"from"`
	To         string        `json:"to"`
	// Steps are in the order in which the packet meets them. That of the answer comes last on the packet's first node,
	// and on the second one before the packet is looked up there.
	Steps []view.Check `json:"steps"`
	// Verdict is "would pass", "unknown from N", "would be dropped at N" or "would be dropped at N at the latest,
	// unknown from M"; N and M count steps from 1.
	Verdict string `json:"verdict"`
}

// The steps, by name.
const (
	StepAttachment = "attachment"
	StepPolicy     = "policy"
	StepRule       = "rule"
	StepTable      = "table"
	StepRoute      = "route"
	StepGuard      = "guard"
	StepFirewall   = "firewall"
	StepPeer       = "peer"
	StepSession    = "session"
	StepBack       = "way back"
)

// Explain returns what the node does with a packet that leaves it, reaches it, or stays on it.
func Explain(f Facts) Explanation {
	steps := f.steps()
	return Explanation{
		APIVersion: status.APIVersion, Kind: Kind, Source: f.Source, ObservedAt: f.ObservedAt, Node: f.Node,
		From: f.From.String(), To: f.To.String(), Steps: steps, Verdict: verdict(steps),
	}
}

func (f Facts) steps() (all []view.Check) {
	if f.From.here() {
		all = append(all, f.attachment(f.From))
	}
	if !f.From.local() {
		all = append(all, f.peer(f.From), f.session(f.From), f.guard(), f.firewall())
	}
	if f.From.here() || f.To.here() {
		all = append(all, f.policy())
	}
	if !f.From.local() {
		// The kernel may drop a packet for the way back alone, before it looks for the way on (rp_filter).
		return append(append(all, f.back()), f.onward()...)
	}
	all = append(all, f.onward()...)
	if !f.To.local() && f.kind() != outside {
		all = append(all, f.back())
	}
	return all
}

// onward returns the steps from the node's routing to where the packet leaves the node or ends.
func (f Facts) onward() []view.Check {
	switch f.kind() {
	case ownPod:
		if f.From.here() && f.Policies.Off {
			return []view.Check{f.attachment(f.To)} // the bridge carries it, and nothing looks it up
		}
		ways := []view.Check{f.rule(), f.leads(StepRoute, f.Forth, f.Bridge)}
		if f.From.here() {
			ways = append(ways, f.firewall())
		}
		return append(ways, f.attachment(f.To))
	case ownNode:
		ways := []view.Check{f.leads(StepRoute, f.Forth, localLink)}
		if f.From.here() {
			ways = append(ways, f.firewall())
		}
		return ways
	case outside:
		return []view.Check{f.leaves(), f.guard(), f.firewall()}
	default:
		return []view.Check{
			f.rule(), f.table(), f.leads(StepRoute, f.Forth, f.Link), f.guard(), f.firewall(), f.peer(f.To),
			f.session(f.To),
		}
	}
}

// back tells of the answer, which comes back the way that the packet went.
func (f Facts) back() view.Check {
	switch {
	case f.To.local():
		return f.leads(StepBack, f.Back, f.Link)
	case f.From.Own:
		return f.leads(StepBack, f.Back, localLink)
	default:
		return f.leads(StepBack, f.Back, f.Bridge)
	}
}

// verdict goes by the first step at which the packet dies, and by what is not known before it.
func verdict(steps []view.Check) string {
	at := func(r view.Result) int {
		return slices.IndexFunc(steps, func(c view.Check) bool { return c.Result == r }) + 1
	}
	dropped, doubt := at(view.Fail), at(view.Unknown)
	switch {
	case dropped > 0 && (doubt == 0 || dropped < doubt):
		return fmt.Sprintf("would be dropped at %d", dropped)
	case dropped > 0:
		return fmt.Sprintf("would be dropped at %d at the latest, unknown from %d", dropped, doubt)
	case doubt > 0:
		return fmt.Sprintf("unknown from %d", doubt)
	default:
		return "would pass"
	}
}
