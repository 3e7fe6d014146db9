package loop

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoffGrowsToItsBound(t *testing.T) {
	b := Backoff{First: 250 * time.Millisecond, Most: 30 * time.Second, Jitter: true}
	for i := range 100 {
		if d := b.Delay(); d < b.First/2 || d > b.Most {
			t.Fatalf("%v after %d attempts", d, i)
		}
		b.Grow()
	}
	if d := b.Delay(); d < b.Most/2 {
		t.Errorf("%v in the end", d)
	}
}

func TestBackoffDoubles(t *testing.T) {
	b := Backoff{First: 10 * time.Millisecond, Most: time.Second}
	delays := func(count int) (all []time.Duration) {
		for range count {
			all = append(all, b.Next()/time.Millisecond)
		}
		return all
	}
	if diff := cmp.Diff([]time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000}, delays(9)); diff != "" {
		t.Errorf("milliseconds (-want +got):\n%s", diff)
	}
	b.Reset()
	if diff := cmp.Diff([]time.Duration{10, 20}, delays(2)); diff != "" {
		t.Errorf("after a reset, milliseconds (-want +got):\n%s", diff)
	}
}

// Nodes that failed together retry apart.
func TestJitterSpreadsRetries(t *testing.T) {
	b := Backoff{First: time.Second, Most: time.Minute, Jitter: true}
	var early, late int
	for range 1000 {
		switch d := b.Delay(); {
		case d < time.Second/2 || d > time.Second:
			t.Fatalf("%v, want the upper half of a second", d)
		case d < 3*time.Second/4:
			early++
		default:
			late++
		}
	}
	if early < 400 || late < 400 {
		t.Errorf("%d retry early and %d late", early, late)
	}
}
