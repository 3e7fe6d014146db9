package capture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Packet is one of a sample.
type Packet struct {
	Time time.Time
	// Port is the interface where it was captured: on a lab's underlay, the name of the node that sent it.
	Port string
	// Text reads like a line of tcpdump's.
	Text string
}

// String is one line.
func (p Packet) String() string {
	return p.Time.Format("15:04:05.000000") + " " + p.Port + " " + p.Text
}

// Report is what a capture has seen so far.
type Report struct {
	// Packets counts all packets, by kind.
	Packets map[Kind]int
	// Samples are the first 20 of each kind.
	Samples map[Kind][]Packet
	// Dropped counts packets that the capture itself missed: a capture that missed some proves nothing.
	Dropped int
}

// String counts the kinds, in one line.
func (r Report) String() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Packets)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, r.Packets[kind]))
	}
	return fmt.Sprintf("%s; missed %d", strings.Join(parts, ", "), r.Dropped)
}

// sampleSize is how many packets of each kind are kept as text.
const sampleSize = 20

func emptyReport() Report {
	return Report{Packets: map[Kind]int{}, Samples: map[Kind][]Packet{}}
}

// Lines are packets as text, one a line.
func Lines(packets []Packet) string {
	var text string
	for _, p := range packets {
		text += p.String() + "\n"
	}
	return text
}
