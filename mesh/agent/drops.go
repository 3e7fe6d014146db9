package agent

import (
	"sync"
	"time"

	"warren.mesh/mesh/status"
)

const (
	// dropsWindow is how far back the guard's counters are compared: what was dropped last month is no news.
	dropsWindow = 10 * time.Minute
	// dropsApart is how far apart the readings are that are kept for that.
	dropsApart = time.Minute
)

// drops keeps some readings of the guard's counters, of the last dropsWindow and one from before. Each reading of the
// counters adds to it: for a scrape, a report, and every minute for Events, where these are told.
type drops struct {
	mu   sync.Mutex
	kept []dropsReading
}

type dropsReading struct {
	at      time.Time
	packets map[string]uint64
}

// add takes a reading.
func (d *drops) add(now time.Time, packets map[string]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.kept); n > 0 && now.Sub(d.kept[n-1].at) < dropsApart {
		return
	}
	d.kept = append(d.kept, dropsReading{now, packets})
	for len(d.kept) > 1 && now.Sub(d.kept[1].at) >= dropsWindow {
		d.kept = d.kept[1:]
	}
}

// growth returns by how much the counters have grown since the first reading that is kept; nil if they could not be
// read now, or were not read dropsApart ago or earlier: that reading may have been made for this very report. A counter
// that is lower than it was has begun anew.
func (d *drops) growth(now time.Time, packets map[string]uint64) *status.GuardGrowth {
	d.mu.Lock()
	defer d.mu.Unlock()
	if packets == nil || len(d.kept) == 0 || now.Sub(d.kept[0].at) < dropsApart {
		return nil
	}
	first := d.kept[0]
	g := &status.GuardGrowth{Seconds: int(now.Sub(first.at).Seconds()), Packets: map[string]uint64{}}
	for name, n := range packets {
		if was := first.packets[name]; n >= was {
			n -= was
		}
		g.Packets[name] = n
	}
	return g
}
