package policies

import "time"

// brakeDelay is how long what a list lacks is kept if that is more than half of what was known: as long as the mesh
// holds the loss of more than half of its peers.
const brakeDelay = 5 * time.Minute

// brake keeps what a list lacks if that is more than half of what was known. Such a list is more likely from a store
// that was emptied or put back than from somebody at work, and what it lacks may be what isolates pods. What is deleted
// under a watch is deleted at once.
type brake struct{ since time.Time }

// holds returns for how much longer the loss is to be held; zero if it is not. A list that lacks less ends it.
func (b *brake) holds(known, lost int) time.Duration {
	if lost*2 <= known {
		b.since = time.Time{}
		return 0
	}
	if b.since.IsZero() {
		b.since = time.Now()
	}
	return max(0, brakeDelay-time.Since(b.since))
}
