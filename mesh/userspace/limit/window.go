package limit

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

const (
	// windowSize is the number of packets that may be inside the device, in each direction, when it reads its next
	// batch (conn.IdealBatchSize, 128 packets). The device puts each packet into a buffer of 64 KiB and bounds its
	// queues by batches only, at 1,024: 8 GiB. Further packets wait, at their own size, in the queue of the socket or
	// the interface. 512 packets are four batches: enough for each of the device's stages to have one.
	windowSize = 512
	// mostPatience is how long a full window waits, at most, for a packet to leave the device. The device drops some
	// packets (forged, replayed, for a peer that does not answer) and does not report them: if none leaves, those
	// inside count as dropped.
	mostPatience = 2 * time.Millisecond
	// leastPatience is how long it waits, at least, when earlier waits were in vain. A flood of packets that never
	// leave then passes at millions a second, and delays other packets no more than without a window.
	leastPatience = 50 * time.Microsecond
)

// markOffset is the offset in a buffer of the device at which the window writes the packet's number: at the end, which
// no packet of a mesh reaches.
const markOffset = device.MaxMessageSize - 8

// window bounds the packets inside the device in one direction. It numbers packets as they enter and recognises them by
// their buffers as they leave. The device's queues keep the order, so when a packet leaves, all earlier ones have left
// or were dropped. With many peers, which have queues of their own, that is nearly true: a window is an estimate that
// slows down the faster end, not a hard limit.
type window struct {
	// in and out are the numbers of the last packet that entered and of the last that left.
	in, out atomic.Uint64
	// sends counts the calls in progress that send packets which leave: during one, no packet inside counts as dropped.
	sends atomic.Int32
	// patience is the time.Duration that a full window waits.
	patience atomic.Int64
	// moved wakes the waiter.
	moved chan struct{}
}

func newWindow() *window {
	w := &window{moved: make(chan struct{}, 1)}
	w.patience.Store(int64(mostPatience))
	return w
}

// wait returns when there is room, or when the packets inside count as dropped.
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

// learn sets the patience after a wait, to four times the time that it took, but not below half of the present
// patience. took is 0 for a wait in vain.
func (w *window) learn(took time.Duration) {
	patience := max(4*took, w.patienceNow()/2)
	w.patience.Store(int64(min(max(patience, leastPatience), mostPatience)))
}

func (w *window) patienceNow() time.Duration { return time.Duration(w.patience.Load()) }

func (w *window) room() bool { return w.in.Load()-w.out.Load() < windowSize }

// enter counts n packets and marks the buffer of the last one.
func (w *window) enter(n int, last []byte) {
	number := w.in.Add(uint64(n))
	if mark := markOf(last); mark != nil {
		binary.NativeEndian.PutUint64(mark, number)
	}
}

// leave records that the packet in this buffer leaves. A mark may be old, or overwritten by a very large packet:
// neither shrinks the window, nor does its count go back.
func (w *window) leave(last []byte) {
	mark := markOf(last)
	if mark == nil {
		return
	}
	number := binary.NativeEndian.Uint64(mark)
	binary.NativeEndian.PutUint64(mark, 0) // The buffer may be used in the other direction next.
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

// markOf returns the place of the number in a buffer; nil if the buffer is not one of the device's packet buffers, but
// a handshake message's.
func markOf(buf []byte) []byte {
	if cap(buf) != device.MaxMessageSize {
		return nil
	}
	return buf[:cap(buf)][markOffset:]
}
