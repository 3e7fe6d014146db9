package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh/meshtest"
)

// The report has by how much the guard's counters have grown in some ten minutes: what is older is no news.
func TestGuardGrowth(t *testing.T) {
	cluster(t, 1, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		m := machines[0]
		step := func(after time.Duration, counted, grown uint64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			m.host.SetLeaks(map[string]uint64{"leak-pod": counted})
			time.Sleep(10 * time.Second) // beyond the age of what is cached
			g := m.agent.Report().GuardGrowth
			if g == nil || g.Packets["leak-pod"] != grown || g.Seconds > 12*60 {
				t.Errorf("counted %d: grown by %+v, want %d", counted, g, grown)
			}
		}
		m.host.SetLeaks(map[string]uint64{"leak-pod": 5})
		time.Sleep(10 * time.Second)
		for range 2 { // a report's own reading, and soon after it
			if r := m.agent.Report(); r.GuardPackets["leak-pod"] != 5 || r.GuardGrowth != nil {
				t.Errorf("before anybody has watched: %+v, grown by %+v", r.GuardPackets, r.GuardGrowth)
			}
			time.Sleep(30 * time.Second)
		}
		step(0, 5, 0)
		step(time.Minute, 8, 3)
		for range 6 {
			step(time.Minute, 8, 3)
		}
		for range 5 {
			time.Sleep(time.Minute)
			m.agent.Report()
		}
		step(time.Minute, 8, 0) // over
		step(time.Minute, 2, 2) // begun anew
	})
}
