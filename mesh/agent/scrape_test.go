package agent_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
)

const leaked = `warren_firewall_packets_total{counter="leak-pod"} 3`

// scrapes reads the metrics so many times at once and returns how many answers have the guard's counters.
func (m *machine) scrapes(times int) (full int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range times {
		all.Go(func() {
			_, body := m.get("/metrics")
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(body, leaked) {
				full++
			}
		})
	}
	all.Wait()
	return full
}

// Whoever can reach the metrics may read them at any rate, and costs the kernel one reading of the guard's counters.
func TestScrapesShareTheGuardsCounters(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		release := a.host.holdLeaks()
		time.AfterFunc(time.Second, release)
		if full := a.scrapes(16); full != 16 {
			t.Errorf("%d of 16 scrapes at once have the counters", full)
		}
		if reads, atOnce := a.host.leakReads(); reads != 1 || atOnce != 1 {
			t.Errorf("16 scrapes at once: the counters were read %d times, %d at once", reads, atOnce)
		}
		time.Sleep(3 * time.Second)
		a.scrapes(1)
		if reads, _ := a.host.leakReads(); reads != 1 {
			t.Errorf("3 seconds later: the counters were read %d times in all", reads)
		}
		time.Sleep(3 * time.Second)
		a.scrapes(1)
		if reads, _ := a.host.leakReads(); reads != 2 {
			t.Errorf("6 seconds later: the counters were read %d times in all", reads)
		}
	})
}

// More scrapes than that at once are turned away, and none of them starts anything.
func TestScrapesAreBounded(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		time.AfterFunc(time.Second, a.host.holdLeaks())
		if full := a.scrapes(400); full != 16 {
			t.Errorf("%d of 400 scrapes at once have the counters, want 16", full)
		}
		if reads, atOnce := a.host.leakReads(); reads != 1 || atOnce != 1 {
			t.Errorf("400 scrapes at once: the counters were read %d times, %d at once", reads, atOnce)
		}
	})
}

// Counters that cannot be read are left out, and are not asked for at once again.
func TestUnreadableCountersAreLeftOut(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		a.host.SetLeaks(map[string]uint64{"leak-pod": 3})
		a.host.failLeaks(errors.New("no nft"))
		for range 2 {
			if _, body := a.get("/metrics"); strings.Contains(body, "leak-pod") ||
				!strings.Contains(body, "warren_peers_desired 0") {
				t.Errorf("metrics:\n%s", body)
			}
		}
		if reads, _ := a.host.leakReads(); reads != 1 {
			t.Errorf("the counters were read %d times", reads)
		}
		a.host.failLeaks(nil)
		time.Sleep(6 * time.Second)
		if full := a.scrapes(1); full != 1 {
			t.Error("no counters when they can be read again")
		}
	})
}
