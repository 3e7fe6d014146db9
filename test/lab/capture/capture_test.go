package capture

import (
	"testing"

	"warren.mesh/test/lab/packet"
	"warren.mesh/test/lab/tb"
)

// judged is a capture that has seen a packet of this kind.
func judged(kind Kind) *Capture {
	c := New(func(string, packet.Header) Kind { return kind })
	c.note("node1", make([]byte, 14))
	return c
}

// A capture fails the test for a leak, and for what makes it prove nothing.
func TestWantNone(t *testing.T) {
	missed := judged(Other)
	missed.seen.Dropped = 1
	forgotten := judged(Leak)
	forgotten.Forget()
	forgotten.note("node1", nil)
	for name, test := range map[string]struct {
		capture *Capture
		want    int
	}{
		"fine": {judged(Other), 0}, "leak": {judged(Leak), 1}, "missed": {missed, 1}, "nothing": {New(nil),
			1}, "leak after Forget": {forgotten, 1},
	} {
		if failures := tb.Record(t, test.capture.WantNone); len(failures) != test.want {
			t.Errorf("%s: failed with %q, want %d failures", name, failures, test.want)
		}
	}
}

// What is stopped stays so.
func TestAttachAfterStop(t *testing.T) {
	c := judged(Other)
	before := c.Stop()
	if err := c.Attach("no such interface"); err != nil {
		t.Error(err)
	}
	if now := c.Stop(); now.String() != before.String() || before.String() != "other 1; missed 0" {
		t.Errorf("first %v, then %v", before, now)
	}
}
