package lab

import "time"

// Kind is what an underlay packet is, judged by its outer header.
type Kind string

// The kinds of packets.
const (
	// KindWireGuard is UDP from or to port 51820.
	KindWireGuard Kind = "wireguard"
	KindARP       Kind = "arp"
	// KindND is ICMPv6 neighbour and router discovery, and multicast listener reports.
	KindND Kind = "nd"
	// KindAPI is TCP from or to port 6443.
	KindAPI   Kind = "api"
	KindOther Kind = "other"
)

// Capture watches every node's underlay port, of nodes that join later too.
type Capture struct{}

// CapturePlaintext starts a capture; when the test ends it is stopped and WantNone is checked.
func (l *Lab) CapturePlaintext(t TB) *Capture { panic("skeleton") }

// Packet is one that should not have been there, or one of a sample.
type Packet struct {
	Time time.Time
	// Port is the node whose underlay port it came from.
	Port string
	Kind Kind
	// Text reads like tcpdump's line.
	Text string
}

// CaptureReport is what was seen so far.
type CaptureReport struct {
	// Packets counts all, by kind.
	Packets map[Kind]int
	// Leaks counts packets with a pod address in the outer header, or with the payload of a flow that must be encrypted;
	// LeakSample are the first 20 of them.
	Leaks      int
	LeakSample []Packet
	// Other is a sample of KindOther: the first 20.
	OtherSample []Packet
	// Dropped counts packets that the capture itself missed: a capture that missed some proves nothing.
	Dropped int
}

// Report is what was seen so far.
func (c *Capture) Report() CaptureReport { panic("skeleton") }

// Stop ends the capture and reports. A second Stop reports the same.
func (c *Capture) Stop() CaptureReport { panic("skeleton") }

// Forget makes the leaks seen so far count no more, for tests which show that the capture sees what it should.
func (c *Capture) Forget() { panic("skeleton") }

// WantNone fails the test if there was any leak, a packet dropped, or nothing captured at all.
func (c *Capture) WantNone(t TB) { panic("skeleton") }
