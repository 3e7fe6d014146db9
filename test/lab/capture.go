package lab

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"warren.mesh/test/lab/packet"
)

// Capture watches what every node sends into the underlay, nodes that join later too.
type Capture struct {
	lab   *Lab
	judge Judge

	mu   sync.Mutex
	taps map[string]*tap
	seen CaptureReport
}

// Judge names the kind of a packet that a node sent into the underlay; port is the node's name. It is called for one packet
// at a time of each node.
type Judge func(port string, h packet.Header) Kind

// byHeader judges as Kind's constants say.
func byHeader(_ string, h packet.Header) Kind { return classify(h, clusterCIDRs[:]) }

// CapturePlaintext starts a capture, before the first daemon starts to miss nothing; when the test ends it is stopped and WantNone is
// checked.
func (l *Lab) CapturePlaintext(t TB) *Capture {
	t.Helper()
	c, err := l.capture(byHeader)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	t.Cleanup(func() {
		t.Helper()
		c.WantNone(t)
	})
	return c
}

// Watch starts a capture that asserts nothing by itself.
func (l *Lab) Watch(t TB) *Capture {
	t.Helper()
	return l.WatchBy(t, byHeader)
}

// WatchBy is Watch with the caller's own kinds.
func (l *Lab) WatchBy(t TB, judge Judge) *Capture {
	t.Helper()
	c, err := l.capture(judge)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	t.Cleanup(func() { c.Stop() })
	return c
}

func (l *Lab) capture(judge Judge) (*Capture, error) {
	c := &Capture{lab: l, judge: judge, taps: map[string]*tap{}, seen: emptyReport()}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if err := l.control.set.Do(func() error { return c.attach(n.Name) }); err != nil {
			return nil, err
		}
	}
	l.captures = append(l.captures, c)
	return c, nil
}

// attach taps a port, in the control machine's network namespace.
func (c *Capture) attach(port string) error {
	opened, err := openTap(port, func(frame []byte) { c.note(port, frame) })
	if err != nil {
		return fmt.Errorf("tap port %s: %w", port, err)
	}
	c.mu.Lock()
	before := c.taps[port]
	c.taps[port] = opened
	c.mu.Unlock()
	// A rebooted node has a new cable.
	c.retire(before)
	return nil
}

// attachAll has every capture tap a port that is about to come up.
func (l *Lab) attachAll(port string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.captures {
		errs = append(errs, c.attach(port))
	}
	return errors.Join(errs...)
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
func (c *Capture) Report() CaptureReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := emptyReport()
	r.Dropped = c.seen.Dropped
	for kind, n := range c.seen.Packets {
		r.Packets[kind] = n
		r.Samples[kind] = slices.Clone(c.seen.Samples[kind])
	}
	for _, tap := range c.taps {
		r.Dropped += tap.dropped()
	}
	return r
}

// Stop ends the capture and reports. A second Stop reports the same.
func (c *Capture) Stop() CaptureReport {
	c.lab.mu.Lock()
	c.lab.captures = slices.DeleteFunc(c.lab.captures, func(other *Capture) bool { return other == c })
	c.lab.mu.Unlock()
	c.detach()
	return c.Report()
}

// detach reads what is left in the taps and closes them.
func (c *Capture) detach() {
	c.mu.Lock()
	taps := c.taps
	c.taps = map[string]*tap{}
	c.mu.Unlock()
	for _, t := range taps {
		c.retire(t)
	}
}

// retire closes a tap, whose reader needs the lock for its last frames, and keeps its count; nil is none.
func (c *Capture) retire(t *tap) {
	if t == nil {
		return
	}
	missed := t.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Dropped += missed
}

// Forget makes what was seen so far count no more, for tests which show that the capture sees what it should.
func (c *Capture) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	dropped := c.seen.Dropped
	c.seen = emptyReport()
	c.seen.Dropped = dropped
}

// WantNone stops the capture and fails the test if there was any leak, a packet missed, or nothing captured at all.
func (c *Capture) WantNone(t TB) {
	t.Helper()
	r := c.Stop()
	if n := r.Packets[KindLeak]; n > 0 {
		t.Errorf("%d packets on the underlay in plain text, of which the first are:\n%s", n, lines(r.Samples[KindLeak]))
	}
	if r.Dropped > 0 {
		t.Errorf("the capture missed %d packets: it proves nothing", r.Dropped)
	}
	if len(r.Packets) == 0 {
		t.Errorf("the capture saw nothing at all: it proves nothing")
	}
}
