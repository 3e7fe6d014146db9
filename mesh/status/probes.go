package status

import "time"

// RTTBounds are the upper bounds of the buckets that count round trips, in seconds.
var RTTBounds = [8]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5}

// Probes is what the daemon's own probes have found out, those in the background. The zero value is of a daemon that
// makes none.
type Probes struct {
	// Peers is what is known of the ways to peers, by Node: of the last rounds in which a peer was asked. Peers that
	// were not asked yet are not in it.
	Peers map[string]Measurement
	// Answered and Lost count small probes since the start.
	Answered, Lost uint64
	// RTTs counts round trips by RTTBounds, each in all the buckets whose bound it does not pass, and RTTSum is the sum
	// of all.
	RTTs   [len(RTTBounds)]uint64
	RTTSum time.Duration
}

// Add counts one probe, which was answered after took or not at all.
func (p *Probes) Add(took time.Duration, answered bool) {
	if !answered {
		p.Lost++
		return
	}
	p.Answered++
	p.RTTSum += took
	for i, bound := range RTTBounds {
		if took.Seconds() <= bound {
			p.RTTs[i]++
		}
	}
}

// LeastPathMTU returns the least path MTU that is known, in bytes, and to which Node; zero if none is.
func (p Probes) LeastPathMTU() (mtu int, node string) {
	for name, m := range p.Peers {
		if m.PathMTU > 0 && (mtu == 0 || m.PathMTU < mtu || m.PathMTU == mtu && name < node) {
			mtu, node = m.PathMTU, name
		}
	}
	return mtu, node
}

// Joined returns what several measurements of one way come to, the eldest first. The path's MTU is the last that is
// known.
func Joined(all []Measurement) (sum Measurement) {
	for _, m := range all {
		if m.RTT != nil {
			if sum.RTT == nil {
				sum.RTT = &RoundTrips{Least: m.RTT.Least, Most: m.RTT.Most}
			}
			total := sum.RTT.Mean*float64(sum.Answered) + m.RTT.Mean*float64(m.Answered)
			sum.RTT = &RoundTrips{
				min(sum.RTT.Least, m.RTT.Least), total / float64(sum.Answered+m.Answered),
				max(sum.RTT.Most, m.RTT.Most),
			}
		}
		sum.Sent, sum.Answered, sum.At = sum.Sent+m.Sent, sum.Answered+m.Answered, m.At
		if m.PathMTU > 0 {
			sum.PathMTU = m.PathMTU
		}
	}
	return sum
}
