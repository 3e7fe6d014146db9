package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/tb"
)

// stream is numbered messages both ways between a client and a station, each a thousand a second, over TCP or UDP.
type stream struct {
	name string
	// up is from the client, down to it.
	up, down way
}

// way is one direction of a stream.
type way struct {
	mu      sync.Mutex
	arrived []bool
	// sent is how many messages were sent: the number of the next.
	sent int
}

// messageSize is that of a message, in bytes.
const messageSize = 16

// message is the stream's number and the message's own.
func message(stream uint64, number int) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, stream), uint64(number))
}

func (w *way) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	return w.sent - 1
}

func (w *way) take(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for uint64(len(w.arrived)) <= number {
		w.arrived = append(w.arrived, false)
	}
	w.arrived[number] = true
}

func (w *way) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// arrivals is how many of the messages from..to-1 have arrived.
func (w *way) arrivals(from, to int) (count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, arrived := range w.arrived[min(from, len(w.arrived)):min(to, len(w.arrived))] {
		if arrived {
			count++
		}
	}
	return count
}

// missing are the messages from..to-1 that have not arrived.
func (w *way) missing(from, to int) (numbers []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for number := from; number < to; number++ {
		if number >= len(w.arrived) || !w.arrived[number] {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// write sends messages until ctx ends or the connection does. What the kernel refuses to send is lost.
func (w *way) write(ctx context.Context, stream uint64, send func([]byte) error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = send(message(stream, w.next()))
		}
	}
}

// read takes messages until the connection ends.
func (w *way) read(from io.Reader) {
	text := make([]byte, messageSize)
	for {
		if _, err := io.ReadFull(from, text); err != nil {
			return
		}
		w.take(binary.BigEndian.Uint64(text[8:]))
	}
}

// mark is how much of a stream was sent at some time.
type mark struct{ up, down int }

func (st *stream) mark() mark { return mark{st.up.mark(), st.down.mark()} }

// arrivals is how much has arrived of what was sent since.
func (st *stream) arrivals(since mark) (up, down int) {
	now := st.mark()
	return st.up.arrivals(since.up, now.up), st.down.arrivals(since.down, now.down)
}

// wantBoth is nil if something has arrived both ways.
func (st *stream) wantBoth(since mark) error {
	if up, down := st.arrivals(since); up == 0 || down == 0 {
		return fmt.Errorf("%d messages arrived up and %d down", up, down)
	}
	return nil
}

// streams are several as one.
type streams []*stream

func (all streams) mark() (marks []mark) {
	for _, st := range all {
		marks = append(marks, st.mark())
	}
	return marks
}

// pass waits until so many more messages were sent each way.
func (all streams) pass(t *testing.T, messages int) {
	t.Helper()
	for i, since := range all.mark() {
		lab.Wait(t, time.Minute, "messages to be sent", func() error {
			now := all[i].mark()
			return want("messages", min(now.up-since.up, now.down-since.down), messages)
		})
	}
}

// wantNone fails the test if something has arrived of what was sent since the marks, while more was sent.
func (all streams) wantNone(t *testing.T, marks []mark, messages int) {
	t.Helper()
	all.pass(t, messages)
	var sent, arrived int
	for i, st := range all {
		now := st.mark()
		sent += now.up - marks[i].up + now.down - marks[i].down
		up, down := st.arrivals(marks[i])
		if arrived += up + down; up+down > 0 {
			t.Errorf("%s: %d messages arrived up and %d down, want none", st.name, up, down)
		}
	}
	t.Logf("%d streams: %d messages sent, %d arrived", len(all), sent, arrived)
}

// wantAll fails the test for each way in which something was lost of what was sent between the marks and the next
// messages. It waits for what is on its way.
func (all streams) wantAll(t *testing.T, marks []mark, messages int) {
	t.Helper()
	all.pass(t, messages)
	sent, lost := 0, 0
	for i, st := range all {
		until := st.mark()
		for _, w := range []struct {
			*way
			name     string
			from, to int
		}{{&st.up, "up", marks[i].up, until.up}, {&st.down, "down", marks[i].down, until.down}} {
			for deadline := time.Now().Add(tb.Bound(2 * time.Second)); w.arrivals(w.from, w.to) < w.to-w.from; {
				if time.Now().After(deadline) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			missing := w.missing(w.from, w.to)
			if sent, lost = sent+w.to-w.from, lost+len(missing); len(missing) > 0 {
				t.Errorf("%s: of %d to %d sent %s, %d were lost: %v", st.name, w.from, w.to-1, w.name, len(missing),
					spans(missing))
			}
		}
	}
	t.Logf("%d streams: %d messages sent, %d lost", len(all), sent, lost)
}

// spans are the first and last of numbers that follow each other.
func spans(numbers []int) (all [][2]int) {
	for _, n := range numbers {
		if last := len(all) - 1; last >= 0 && all[last][1] == n-1 {
			all[last][1] = n
			continue
		}
		all = append(all, [2]int{n, n})
	}
	return all
}

// wantBoth waits until something arrives both ways of what is sent from now on.
func (all streams) wantBoth(t *testing.T) {
	t.Helper()
	for i, since := range all.mark() {
		lab.Wait(t, time.Minute, all[i].name, func() error { return all[i].wantBoth(since) })
	}
}
