package lab

import "time"

// FlowOptions describe a counted flow. The zero value is 200 packets a second between the first addresses of one family.
type FlowOptions struct {
	// Rate is in packets per second; 0 means 200.
	Rate int
	// IPv6 uses the IPv6 addresses where both ends have both.
	IPv6 bool
	// Size is the payload in bytes; 0 means 64.
	Size int
	// Plain says that the underlay may see this flow: without it, Capture counts its packets there as leaks whatever their addresses
	// are. Flows from or to the outside or the control plane and flows between two nodes are plain anyway, flows inside one node never get there.
	Plain bool
}

// Flow is a stream of numbered UDP packets, one way.
type Flow struct{}

// Flow starts one; it ends with the test, or with Stop.
func (l *Lab) Flow(t TB, from, to *Host, o FlowOptions) *Flow { panic("skeleton") }

// Flows are several flows as one.
type Flows []*Flow

// FlowsAmong starts a flow from every one of these hosts to every other, in every family that both have.
func (l *Lab) FlowsAmong(t TB, o FlowOptions, hosts ...*Host) Flows { panic("skeleton") }

// WaitEstablished waits until the flow arrives: packets before that don't count any more.
func (f *Flow) WaitEstablished(t TB) { panic("skeleton") }

// Report is how the flow has done so far; it may be asked while it runs.
func (f *Flow) Report() FlowReport { panic("skeleton") }

// Stop ends the sending, waits for what is on its way and reports. A second Stop reports the same.
func (f *Flow) Stop() FlowReport { panic("skeleton") }

// WantNoLoss stops the flow and fails the test if a packet was lost or duplicated.
func (f *Flow) WantNoLoss(t TB) { panic("skeleton") }

// FlowReport counts packets.
type FlowReport struct {
	// From and To are the hosts' names.
	From, To                         string
	Sent, Received, Lost, Duplicated int
	// Refused are those of Sent (and Lost) that the sender's own kernel would not take, Error the last reason.
	Refused int
	Error   error
	// LongestGap is the longest time without an arrival.
	LongestGap time.Duration
}

// WaitEstablished waits for all.
func (fs Flows) WaitEstablished(t TB) { panic("skeleton") }

// WantNoLoss stops all and fails the test for each that lost a packet.
func (fs Flows) WantNoLoss(t TB) { panic("skeleton") }

// Stop stops all.
func (fs Flows) Stop() []FlowReport { panic("skeleton") }
