package userspace

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

const (
	// windowSize is how many packets may be inside the device, each way, before its next batch (conn.IdealBatchSize) is read. The device puts
	// each into a buffer of 64 KiB and bounds its queues by batches only, at 1,024: 8 GiB. What is more waits, at its own size, in the
	// socket's or the interface's queue. 512 are four batches: enough for its stages to have one each.
	windowSize = 512
	// mostPatience is how long a full window waits for a packet to come out. The device drops some (forged, replayed, for a
	// peer that does not answer) and does not say so: when none comes out, those inside count as dropped.
	mostPatience = 2 * time.Millisecond
	// leastPatience is what remains of it while waiting proves useless: a flood of what never comes out may then pass at millions of packets
	// a second, and holds up the others no more than without a window.
	leastPatience = 50 * time.Microsecond
)

// markOffset is where a buffer of the device holds the number of its packet: at its end, which no packet of a mesh reaches.
const markOffset = device.MaxMessageSize - 8

// window bounds the packets inside the device in one direction. They are numbered as they go in, and come out by the buffer that they went
// in by; earlier ones are out, too, or dropped, since queues keep the order. With many peers that is nearly so: a window is no
// promise, it holds back a side that is faster than the other.
type window struct {
	in, out atomic.Uint64
	// sends are those going on of packets that come out: while one lasts, none inside counts as dropped.
	sends atomic.Int32
	// patience is a time.Duration.
	patience atomic.Int64
	// moved wakes who waits.
	moved chan struct{}
}

func newWindow() *window {
	w := &window{moved: make(chan struct{}, 1)}
	w.patience.Store(int64(mostPatience))
	return w
}

// wait returns when there is room.
func (w *window) wait() {
	if w.room() {
		return
	}
	begin := time.Now()
	for !w.room() {
		before := w.out.Load()
		timer := time.NewTimer(w.patienceNow())
		select {
		case <-w.moved:
		case <-timer.C:
			if w.sends.Load() == 0 && w.out.CompareAndSwap(before, w.in.Load()) {
				w.learn(0)
				return
			}
		}
		timer.Stop()
	}
	w.learn(time.Since(begin))
}

// learn sets the patience to four times what a wait took that a packet ended, 0 for one that none did, but no less than half of what it was.
func (w *window) learn(took time.Duration) {
	patience := max(4*took, w.patienceNow()/2)
	w.patience.Store(int64(min(max(patience, leastPatience), mostPatience)))
}

func (w *window) patienceNow() time.Duration { return time.Duration(w.patience.Load()) }

func (w *window) room() bool { return w.in.Load()-w.out.Load() < windowSize }

// enter counts n packets, and marks the buffer of the last one.
func (w *window) enter(n int, last []byte) {
	number := w.in.Add(uint64(n))
	if mark := markOf(last); mark != nil {
		binary.NativeEndian.PutUint64(mark, number)
	}
}

// leave says that the packet of this buffer comes out. A mark may be an old one, or overwritten by a huge packet: neither makes the window
// smaller, nor its count go back.
func (w *window) leave(last []byte) {
	mark := markOf(last)
	if mark == nil {
		return
	}
	number := binary.NativeEndian.Uint64(mark)
	binary.NativeEndian.PutUint64(mark, 0) // The buffer may go in the other way next.
	for out := w.out.Load(); number > out && number <= w.in.Load(); out = w.out.Load() {
		if !w.out.CompareAndSwap(out, number) {
			continue
		}
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}

// markOf is nil for a buffer that is not the device's: a handshake message's.
func markOf(buf []byte) []byte {
	if cap(buf) != device.MaxMessageSize {
		return nil
	}
	return buf[:cap(buf)][markOffset:]
}
