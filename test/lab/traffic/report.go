package traffic

import (
	"fmt"
	"net/netip"
	"time"

	"warren.mesh/test/lab/tb"
)

// Report counts packets.
type Report struct {
	// From and To are the hosts' names.
	From, To string
	// Target is where it was sent.
	Target                           netip.AddrPort
	Sent, Received, Lost, Duplicated int
	// Refused are those of Sent (and Lost) that the sender's own kernel would not take, Error the last reason.
	Refused int
	Error   error
	// Missing are the numbers of the first 10 lost, of packets counted from 0: divided by the rate, when that was.
	Missing []uint64
	// LongestGap is the longest time without an arrival.
	LongestGap time.Duration
}

// String is one line for people.
func (r Report) String() string {
	text := fmt.Sprintf("%s → %s %v: %d sent, %d received, %d lost, %d duplicated, longest gap %v",
		r.From, r.To, r.Target.Addr(), r.Sent, r.Received, r.Lost, r.Duplicated, r.LongestGap.Round(time.Millisecond))
	if r.Lost > 0 {
		text += fmt.Sprintf(", missing %v", r.Missing)
	}
	if r.Refused > 0 {
		text += fmt.Sprintf(", %d refused (%v)", r.Refused, r.Error)
	}
	return text
}

// Report returns the counts so far. While the flow runs, packets that are on their way count as lost.
func (f *Flow) Report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := int(f.next - f.first)
	gap := f.count.gap
	if f.count.received > 0 && !f.stopped {
		gap = max(gap, time.Since(f.count.last))
	}
	return Report{
		From: f.from.String(), To: f.to.String(), Target: f.destination,
		Sent: sent, Received: f.count.received, Lost: sent - f.count.received, Duplicated: f.count.duplicated,
		Refused: f.refused, Error: f.err, Missing: f.count.missing(f.next, 10), LongestGap: gap,
	}
}

// WantNoLoss stops the flow and fails the test if a packet was lost or duplicated, or none was sent.
func (f *Flow) WantNoLoss(t tb.TB) {
	t.Helper()
	if r := f.Stop(); r.Lost > 0 || r.Duplicated > 0 || r.Sent == 0 {
		t.Errorf("flow %v", r)
	}
}
