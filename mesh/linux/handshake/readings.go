package handshake

import (
	"context"
	"sync"
	"time"

	"warren.mesh/mesh"
)

const (
	// share is how many of the device's peers there may be for each that is asked about, for a reading of its own to be
	// worth its cost.
	share = 16
	// patience is how long others' readings are waited for. Whoever watches the device reads it every five seconds, or
	// more often.
	patience = 6 * time.Second
)

// Readings are readings of the device's peers, each of which costs as much as the device has peers. A caller that asks
// about a few of many peers waits for a reading that is made anyway: one node that joins costs the same in any mesh.
type Readings struct {
	// Read reads the device. Required.
	Read func() ([]mesh.PeerStatus, error)

	mu sync.Mutex
	// size is how many peers the last reading had.
	size int
	// waiting get what the next reading that begins has read.
	waiting []chan<- reading
}

type reading struct {
	statuses []mesh.PeerStatus
	err      error
}

// Begin says that a reading of the device begins. The caller gives end what was read.
func (r *Readings) Begin() (end func([]mesh.PeerStatus, error)) {
	r.mu.Lock()
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()
	return func(statuses []mesh.PeerStatus, err error) {
		r.mu.Lock()
		r.size = len(statuses)
		r.mu.Unlock()
		for _, w := range waiting {
			w <- reading{statuses, err}
		}
	}
}

// Next returns a reading that begins after the call, to ask about this many peers: its own where they are many of the
// device's peers, or nobody else reads the device, otherwise that of somebody else. It returns an error when ctx ends.
func (r *Readings) Next(ctx context.Context, peers int) ([]mesh.PeerStatus, error) {
	next := make(chan reading, 1)
	r.mu.Lock()
	few := peers*share < r.size
	if few {
		r.waiting = append(r.waiting, next)
	}
	r.mu.Unlock()
	if !few {
		return r.Read()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case read := <-next:
		return read.statuses, read.err
	case <-timer.C:
		return r.Read()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
