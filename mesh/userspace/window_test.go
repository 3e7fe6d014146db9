package userspace

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

func buffer() []byte { return make([]byte, device.MaxMessageSize) }

// waiting reports whether w makes who comes now wait, and for how long.
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

// TestWindowForgets fills a window with packets that never come out: their senders must not stop all others.
func TestWindowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.enter(windowSize, buffer())
		if d := waiting(w); d != windowPatience {
			t.Errorf("waited %v, want %v", d, windowPatience)
		}
		w.enter(windowSize-1, buffer())
		if d := waiting(w); d != 0 {
			t.Errorf("waited %v though what was inside counts as dropped", d)
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
