package handshake

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
)

// device counts the readings of a device with some peers. One that is made for somebody else says that it has sent one
// byte to each.
type device struct {
	peers, reads int
	Readings
}

func newDevice(peers int) *device {
	d := &device{peers: peers}
	d.Read = func() ([]mesh.PeerStatus, error) { d.reads++; return d.statuses(0), nil }
	return d
}

func (d *device) statuses(sent uint64) []mesh.PeerStatus {
	all := make([]mesh.PeerStatus, d.peers)
	for i := range all {
		all[i].Sent = sent
	}
	return all
}

// watch reads the device at intervals, as the watch over the host does. A reading takes a second.
func (d *device) watch(ctx context.Context, every time.Duration) {
	for ctx.Err() == nil {
		end := d.Begin()
		loop.Sleep(ctx, time.Second)
		end(d.statuses(1), nil)
		loop.Sleep(ctx, every-time.Second)
	}
}

// Nodes that join one by one cost no reading of their own, in a mesh of any size; a fresh device asks at once.
func TestJoinsShareReadings(t *testing.T) {
	for _, size := range []int{60, 5000} {
		synctest.Test(t, func(t *testing.T) {
			d := newDevice(size)
			ctx, stop := context.WithCancel(t.Context())
			var watching sync.WaitGroup
			defer watching.Wait()
			defer stop()
			watching.Go(func() { d.watch(ctx, 5*time.Second) })
			time.Sleep(5500 * time.Millisecond) // One reading has ended, another is under way.
			for range 10 {
				begin := time.Now()
				statuses, err := d.Next(ctx, 1)
				if err != nil || len(statuses) != size || statuses[0].Sent != 1 {
					t.Fatalf("%d statuses, %v", len(statuses), err)
				}
				if took := time.Since(begin); took < time.Second || took > patience {
					t.Errorf("%d peers: answered after %v, by a reading that began before the question", size, took)
				}
			}
			if d.reads != 0 {
				t.Errorf("%d peers: ten nodes that join cost %d readings", size, d.reads)
			}
			if _, err := d.Next(ctx, size/share+1); err != nil || d.reads != 1 {
				t.Errorf("many peers: %d readings, %v", d.reads, err)
			}
		})
	}
}

// Where nobody watches the device, it is read all the same, and the end of the context ends the wait.
func TestReadingsWithoutAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(1000)
		d.Begin()(d.statuses(1), nil)
		if statuses, err := d.Next(t.Context(), 1); err != nil || len(statuses) != 1000 || d.reads != 1 {
			t.Errorf("%d statuses, %v, after %d readings", len(statuses), err, d.reads)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := d.Next(ctx, 1); err == nil || d.reads != 1 {
			t.Errorf("%v, after %d readings", err, d.reads)
		}
		d.Begin()(d.statuses(1), nil) // for those who have gone
	})
}
