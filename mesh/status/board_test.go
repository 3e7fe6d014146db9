package status

import (
	"sync"
	"testing"
)

// Each update is told once, in order, with what was before it.
func TestBoardTellsEachUpdate(t *testing.T) {
	var told []uint64
	b := NewBoard(Snapshot{Node: "a"}, func(before, after Snapshot) {
		if after.Watch.Restarts != before.Watch.Restarts+1 || after.Node != "a" {
			t.Errorf("%+v follows %+v", after, before)
		}
		told = append(told, after.Watch.Restarts)
	})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				b.Update(func(s Snapshot) Snapshot { return s.WithInterruption(nil) })
			}
		})
	}
	group.Wait()
	if n := b.Snapshot().Watch.Restarts; n != 800 || len(told) != 800 {
		t.Errorf("%d updates, and %d were told, of 800", n, len(told))
	}
	for i, n := range told {
		if n != uint64(i)+1 {
			t.Fatalf("told %d as number %d", n, i+1)
		}
	}
}
