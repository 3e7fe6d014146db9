// Package capture watches what comes in on network interfaces, judges each packet by its outer header and counts the
// kinds. It is the one capture of the project's tests; packet is its decoder.
package capture

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/tb"
)

// Capture watches interfaces, each with a Tap.
type Capture struct {
	judge Judge

	mu      sync.Mutex
	taps    map[string]*Tap
	stopped bool
	seen    Report
}

// Judge names the kind of a packet that came in on an interface. It is called for one packet at a time of each
// interface.
type Judge func(port string, h packet.Header) Kind

// New is a capture that watches nothing yet.
func New(judge Judge) *Capture {
	return &Capture{judge: judge, taps: map[string]*Tap{}, seen: emptyReport()}
}

// Attach watches an interface of the thread's network namespace too, in the place of an earlier one of that name. A
// capture that was stopped does nothing.
func (c *Capture) Attach(port string) error {
	c.mu.Lock()
	stopped := c.stopped
	c.mu.Unlock()
	if stopped {
		return nil
	}
	opened, err := OpenTap(port, func(frame []byte) { c.note(port, frame) })
	if err != nil {
		return fmt.Errorf("tap port %s: %w", port, err)
	}
	c.mu.Lock()
	before := c.taps[port]
	if c.stopped {
		before = opened
	} else {
		c.taps[port] = opened
	}
	c.mu.Unlock()
	c.retire(before)
	return nil
}

func (c *Capture) note(port string, frame []byte) {
	h := packet.Decode(frame)
	kind := c.judge(port, h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Packets[kind]++
	if len(c.seen.Samples[kind]) < sampleSize {
		c.seen.Samples[kind] = append(c.seen.Samples[kind], Packet{Time: time.Now(), Port: port, Text: h.String()})
	}
}

// Report is what was seen so far.
func (c *Capture) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := emptyReport()
	r.Dropped = c.seen.Dropped
	for kind, n := range c.seen.Packets {
		r.Packets[kind] = n
		r.Samples[kind] = slices.Clone(c.seen.Samples[kind])
	}
	for _, tap := range c.taps {
		r.Dropped += tap.Dropped()
	}
	return r
}

// Stop reads what is left in the taps, ends the capture and reports. A second Stop reports the same.
func (c *Capture) Stop() Report {
	c.mu.Lock()
	taps := c.taps
	c.taps, c.stopped = map[string]*Tap{}, true
	c.mu.Unlock()
	for _, t := range taps {
		c.retire(t)
	}
	return c.Report()
}

// retire closes a tap, whose reader needs the lock for its last frames, and keeps its count; nil is none.
func (c *Capture) retire(t *Tap) {
	if t == nil {
		return
	}
	missed := t.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Dropped += missed
}

// Forget starts the counts anew, but for missed packets: for tests which show that the capture sees what it should.
func (c *Capture) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	dropped := c.seen.Dropped
	c.seen = emptyReport()
	c.seen.Dropped = dropped
}

// WantNone stops the capture and fails the test if there was any leak, a packet missed, or nothing captured at all.
func (c *Capture) WantNone(t tb.TB) {
	t.Helper()
	r := c.Stop()
	if n := r.Packets[Leak]; n > 0 {
		t.Errorf("%d packets in plain text, of which the first are:\n%s", n, Lines(r.Samples[Leak]))
	}
	if r.Dropped > 0 {
		t.Errorf("the capture missed %d packets: it proves nothing", r.Dropped)
	}
	if len(r.Packets) == 0 {
		t.Errorf("the capture saw nothing at all: it proves nothing")
	}
}
