package agent

import (
	"fmt"
	"time"
)

// clockTolerance is how far a handshake may lie ahead of the clock unsaid. A clock that is disciplined goes back by
// less, and has caught up before a peer has been tried twice.
const clockTolerance = 10 * time.Second

// compareClock warns while handshakes lie ahead of the clock by more than clockTolerance. The warning tells by how much
// the clock was set back when that was found: what would follow the clock would be another line in the log each time.
func (a *Agent) compareClock(ahead time.Duration) {
	_, warned := a.status.Snapshot().Conditions.Of(stepClock)
	switch back := ahead > clockTolerance; {
	case back && !warned:
		a.warn(stepClock, fmt.Errorf("this node's clock was set back by %v or more: until it has caught up, peers "+
			"refuse the handshakes that this node begins; what peers send begins a session all the same; compare the "+
			"clock with other nodes'", ahead.Round(time.Second)))
	case !back && warned:
		a.warn(stepClock, nil)
	}
}
