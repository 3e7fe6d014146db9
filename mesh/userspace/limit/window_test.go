package limit

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

func buffer() []byte { return make([]byte, device.MaxMessageSize) }

// waiting returns how long w makes the next packet wait.
func waiting(w *window) time.Duration {
	begin := time.Now()
	w.wait()
	return time.Since(begin)
}

func TestWindowWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, first, second := newWindow(), buffer(), buffer()
		w.enter(1, first)
		w.enter(windowSize-2, buffer())
		if d := waiting(w); d != 0 {
			t.Errorf("waited %v with room for one", d)
		}
		w.enter(1, second)
		go func() {
			time.Sleep(time.Millisecond)
			w.leave(first[:100:len(first)])
		}()
		if d := waiting(w); d != time.Millisecond {
			t.Errorf("waited %v for room, want 1ms", d)
		}
	})
}

// TestWindowForgets fills a window again and again with packets that never leave: their senders must not delay all
// others.
func TestWindowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		var waits []time.Duration
		for range 10 {
			w.enter(windowSize-1, buffer())
			if d := waiting(w); d != 0 {
				t.Errorf("waited %v with room for one", d)
			}
			w.enter(1, buffer())
			waits = append(waits, waiting(w))
		}
		if waits[0] != mostPatience || waits[1] != mostPatience/2 || waits[9] != leastPatience {
			t.Errorf("waited %v, want %v, half of it, and in the end %v", waits, mostPatience, leastPatience)
		}
	})
}

// TestWindowLearns has packets leave later than a window that has become impatient waits.
func TestWindowLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.learn(time.Microsecond)
		if want := mostPatience / 2; w.patienceNow() != want {
			t.Errorf("patience %v after a short wait, want %v", w.patienceNow(), want)
		}
		for range 10 {
			w.learn(0)
		}
		first := buffer()
		w.enter(1, first)
		w.enter(windowSize-1, buffer())
		go func() {
			time.Sleep(leastPatience / 2)
			w.leave(first)
		}()
		waiting(w)
		if want := 2 * leastPatience; w.patienceNow() != want {
			t.Errorf("patience %v after a wait of %v, want %v", w.patienceNow(), leastPatience/2, want)
		}
		w.learn(time.Second)
		if w.patienceNow() != mostPatience {
			t.Errorf("patience %v after a long wait, want %v", w.patienceNow(), mostPatience)
		}
	})
}

// TestWindowWaitsForSends has a slow socket: packets inside do not count as dropped meanwhile.
func TestWindowWaitsForSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.enter(windowSize, buffer())
		w.sends.Add(1)
		go func() {
			time.Sleep(5 * mostPatience / 2)
			w.sends.Add(-1)
		}()
		if d := waiting(w); d != 3*mostPatience {
			t.Errorf("waited %v, want %v", d, 3*mostPatience)
		}
	})
}

func TestWindowIgnoresMarks(t *testing.T) {
	forged, stale, late := buffer(), buffer(), buffer()
	w := newWindow()
	w.enter(1, stale)
	w.leave(stale)
	w.enter(1, late)
	w.enter(windowSize, buffer())
	for i := range forged {
		forged[i] = 0x7f
	}
	for name, buf := range map[string][]byte{
		"overwritten": forged, "seen before": stale, "not the device's": make([]byte, 148), "none": nil,
	} {
		w.leave(buf)
		if out := w.out.Load(); out != 1 {
			t.Errorf("%s: %d are out, want 1", name, out)
		}
	}
	if w.leave(late); w.out.Load() != 2 {
		t.Errorf("%d are out, want 2", w.out.Load())
	}
}
