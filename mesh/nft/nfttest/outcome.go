package nfttest

import (
	"fmt"
	"net/netip"
)

// Outcome is what becomes of a packet.
type Outcome struct {
	// Dropped is the step that dropped it; nil where it passes.
	Dropped *Step
	// Steps are the rules that matched and had a verdict, in order, and the ends of chains that none decided.
	Steps []Step
	// Counters are the names of the counters that went up, in order.
	Counters []string
	// Mark and ConnectionMark are the packet's and the connection's mark in the end.
	Mark, ConnectionMark uint32
	// From and To are the packet's addresses and ports as it leaves. From's port is zero where masquerade chooses one,
	// at random or out of Ports.
	From, To netip.AddrPort
	// Masqueraded says that a rule masqueraded it, Ports to which range of ports ("32768-49151"), empty for any, and
	// Random that the port is drawn at random.
	Masqueraded bool
	Random      bool
	Ports       string
}

// Step is the verdict of one rule, or of the end of a base chain.
type Step struct {
	Chain string
	// Verdict is "accept", "drop", "return", "masquerade", "dnat", "jump CHAIN" or "goto CHAIN"; "end" at the end of a
	// base chain.
	Verdict string
	// Reason is the rule's; empty at the end of a chain.
	Reason string
}

// String returns "accept: the rule's reason", or "end".
func (s Step) String() string {
	if s.Reason == "" {
		return s.Verdict
	}
	return s.Verdict + ": " + s.Reason
}

// In returns what a chain decided, as the text of its last Step; "not reached" where the packet never came there.
func (o Outcome) In(chain string) string {
	for i := len(o.Steps) - 1; i >= 0; i-- {
		if o.Steps[i].Chain == chain {
			return o.Steps[i].String()
		}
	}
	return "not reached"
}

// String returns the outcome in a line, for failures.
func (o Outcome) String() string {
	if o.Dropped != nil {
		return fmt.Sprintf("dropped by %s (%s), counted %q", o.Dropped.Chain, o.Dropped.Reason, o.Counters)
	}
	return fmt.Sprintf("passes as %v > %v, marks %#x and %#x, counted %q",
		o.From, o.To, o.Mark, o.ConnectionMark, o.Counters)
}
