package traffic

import (
	"sync"

	"warren.mesh/test/lab/tb"
)

// Flows are several flows as one.
type Flows []*Flow

// WaitEstablished waits for all.
func (fs Flows) WaitEstablished(t tb.TB) {
	t.Helper()
	for _, f := range fs {
		f.WaitEstablished(t)
	}
}

// WantNoLoss stops all and fails the test for each that lost a packet.
func (fs Flows) WantNoLoss(t tb.TB) {
	t.Helper()
	fs.Stop()
	for _, f := range fs {
		f.WantNoLoss(t)
	}
}

// Stop stops all.
func (fs Flows) Stop() []Report {
	// All stop sending before the first one waits for its packets, and all wait at once.
	for _, f := range fs {
		f.pacer.remove(f)
	}
	reports := make([]Report, len(fs))
	var all sync.WaitGroup
	for i, f := range fs {
		all.Go(func() { reports[i] = f.Stop() })
	}
	all.Wait()
	return reports
}
