package agent

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
)

// Five thousand daemons that all have something to write spread it over ten seconds. A few daemons write at once.
func TestWritesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var early, late int
		for range 1000 {
			var p pendingWrite[string]
			if p.ready("a", spread(5000)) {
				t.Fatal("written at once")
			}
			switch wait := time.Until(p.due); {
			case wait > 10*time.Second:
				t.Fatalf("due in %v", wait)
			case wait < 5*time.Second:
				early++
			default:
				late++
			}
		}
		if early < 400 || late < 400 {
			t.Errorf("%d in the first half, %d in the second", early, late)
		}
		var p pendingWrite[string]
		if !p.ready("a", spread(3)) {
			t.Error("three nodes wait")
		}
	})
}

func TestPending(t *testing.T) {
	for name, test := range map[string]struct {
		err         error
		value       string
		least, most time.Duration
	}{
		"written: until it shows":         {nil, "a", echo, echo},
		"stale: until the news come":      {fmt.Errorf("apply: %w", mesh.ErrStale), "a", echo, echo},
		"failed: a backoff":               {errors.New("timeout"), "a", retryFirst / 2, retryFirst},
		"written, but not what is wanted": {nil, "b", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pendingWrite[string]
				p.ready("a", 0)
				p.wrote(test.err)
				start := time.Now()
				for !p.ready(test.value, 0) {
					time.Sleep(time.Until(p.due))
				}
				if took := time.Since(start); took < test.least || took > test.most {
					t.Errorf("ready after %v, want %v to %v", took, test.least, test.most)
				}
			})
		})
	}
}
