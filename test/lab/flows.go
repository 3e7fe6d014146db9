package lab

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// FlowReport counts packets.
type FlowReport struct {
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
func (r FlowReport) String() string {
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

// Report is how the flow has done so far; it may be asked while it runs, and what is on its way then counts as lost.
func (f *Flow) Report() FlowReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := int(f.next - f.first)
	gap := f.count.gap
	if f.count.received > 0 && !f.stopped {
		gap = max(gap, time.Since(f.count.last))
	}
	return FlowReport{
		From: f.from.Name, To: f.to.Name, Target: f.destination,
		Sent: sent, Received: f.count.received, Lost: sent - f.count.received, Duplicated: f.count.duplicated,
		Refused: f.refused, Error: f.err, Missing: f.count.missing(f.next, 10), LongestGap: gap,
	}
}

// WantNoLoss stops the flow and fails the test if a packet was lost or duplicated, or none was sent.
func (f *Flow) WantNoLoss(t TB) {
	t.Helper()
	if r := f.Stop(); r.Lost > 0 || r.Duplicated > 0 || r.Sent == 0 {
		t.Errorf("flow %v", r)
	}
}

// Flows are several flows as one.
type Flows []*Flow

// FlowsAmong starts a flow from every one of these hosts to every other, in every family that both have.
func (l *Lab) FlowsAmong(t TB, o FlowOptions, hosts ...*Host) Flows {
	t.Helper()
	var flows Flows
	for _, from := range hosts {
		for _, to := range hosts {
			if from == to {
				continue
			}
			for _, own := range from.Addrs() {
				if to.Addr(own).IsValid() {
					o.IPv6 = own.Is6()
					flows = append(flows, l.Flow(t, from, to, o))
				}
			}
		}
	}
	return flows
}

// WaitEstablished waits for all.
func (fs Flows) WaitEstablished(t TB) {
	t.Helper()
	for _, f := range fs {
		f.WaitEstablished(t)
	}
}

// WantNoLoss stops all and fails the test for each that lost a packet.
func (fs Flows) WantNoLoss(t TB) {
	t.Helper()
	fs.Stop()
	for _, f := range fs {
		f.WantNoLoss(t)
	}
}

// Stop stops all.
func (fs Flows) Stop() []FlowReport {
	// All stop sending before the first one waits for its packets, and all wait at once.
	for _, f := range fs {
		f.pacer.remove(f)
	}
	reports := make([]FlowReport, len(fs))
	var all sync.WaitGroup
	for i, f := range fs {
		all.Go(func() { reports[i] = f.Stop() })
	}
	all.Wait()
	return reports
}
