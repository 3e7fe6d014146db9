package enforce

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"warren.mesh/cni/gate"
)

// pods attaches n pods and returns their attachments.
func (w *world) pods(n int) (all []gate.Attachment) {
	w.t.Helper()
	for i := range n {
		p := pod(fmt.Sprintf("web-%d", i), fmt.Sprint(i))
		w.SetPod(p)
		all = append(all, attachmentOf(p, fmt.Sprintf("c%d", i), 2+i))
	}
	w.added(all...)
	return all
}

// wantReadings fails the test unless conntrack's table has been read once at a time, and at most so often in all.
func (w *world) wantReadings(most int) {
	w.t.Helper()
	w.kernel.set(func(k *kernel) {
		if k.atOnce > 1 || k.readings > most {
			w.t.Errorf("%d readings of conntrack's table at once, %d in all, want 1 and at most %d", k.atOnce,
				k.readings, most)
		}
	})
}

// DELs that come together share a reading of conntrack's table; the first may have one of its own, and each returns
// when the connections of its address are gone.
func TestDetachesShareAReading(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		w.kernel.readingTakes = 4 * time.Second
		start := time.Now()
		var all sync.WaitGroup
		for _, a := range w.pods(30) {
			all.Go(func() {
				if err := w.Detach(context.Background(), a.Container, a.Interface); err != nil {
					t.Error(err)
				}
				w.kernel.set(func(k *kernel) {
					if !slices.Contains(k.forgotten, a.Addrs[0]) {
						t.Errorf("%s is detached, and its connections are not deleted", a.Name)
					}
				})
			})
		}
		all.Wait()
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("%v, want two readings at most", took)
		}
		w.wantReadings(2)
		w.wantRecords()
	})
}

// GC takes away many with two readings at most.
func TestKeepSharesAReading(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		w.pods(30)
		w.kernel.readingTakes = time.Second
		if err := w.Keep(context.Background(), []string{"c0"}); err != nil {
			t.Error(err)
		}
		w.wantReadings(2)
		w.wantRecords("c0")
	})
}

// A DEL that comes during a reading does not rely on it: the reading may be past its connections.
func TestDetachDuringAReading(t *testing.T) {
	simulate(t, func(w *world) {
		w.start()
		pods := w.pods(2)
		w.kernel.readingTakes = 2 * time.Second
		start, ended := time.Now(), make(chan error)
		go func() { ended <- w.Detach(context.Background(), pods[0].Container, "eth0") }()
		time.Sleep(time.Second)
		if err := w.Detach(context.Background(), pods[1].Container, "eth0"); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil || time.Since(start) != 4*time.Second {
			t.Errorf("%v after %v, want nil after two readings", err, time.Since(start))
		}
		w.wantForgotten(pods[0].Addrs[0], pods[1].Addrs[0])
		w.wantReadings(2)
	})
}
