package enforce

import (
	"context"
	"fmt"
	"time"

	"warren.mesh/mesh/nft"
)

const (
	// startDelay is how long a daemon that starts keeps the tables that it finds: as long as a list's loss is held.
	startDelay = 5 * time.Minute
	// startLook is how often it looks meanwhile whether the lists are whole again.
	startLook = 10 * time.Second
)

// start holds the first write back where it would open more than half of what a former daemon has closed: the first
// list of a daemon is all that it knows, and may come from a store that was emptied or put back. Meanwhile the tables
// stay and no pod is attached. The zero value has not looked yet. The worker alone touches it.
type start struct {
	looked bool
	found  []nft.Element
	// since is when the hold began, later by the time that did not count; now is the time of the last look, and stale
	// says that the API server has not been followed since.
	since, now time.Time
	stale      bool
	// next is when to look again; zero if nothing is held.
	next   time.Time
	reason string
}

// holdsStart returns why p is not to be written now; empty if it is.
func (e *Enforcer) holdsStart(ctx context.Context, p plan, stale bool) (reason string, err error) {
	if e.inForce.Load() {
		return "", nil
	}
	if !e.start.looked {
		if e.start.found, err = e.cfg.Host.Isolated(ctx); err != nil {
			return "", err
		}
		e.start.looked = true
	}
	return e.start.hold(time.Now(), stale, e.start.doubt(p, e.nameless)), nil
}

// hold keeps count of the time, and returns the doubt until its time is over.
func (s *start) hold(now time.Time, stale bool, doubt string) string {
	switch {
	case s.since.IsZero():
		s.since = now
	case s.stale:
		s.since = s.since.Add(now.Sub(s.now))
	}
	s.now, s.stale = now, stale
	left := startDelay - now.Sub(s.since)
	if doubt == "" || left <= 0 && !stale {
		s.next, s.reason = time.Time{}, ""
		return ""
	}
	s.next, s.reason = now.Add(startLook), doubt
	if 0 < left && left < startLook {
		s.next = now.Add(left)
	}
	return doubt
}

// doubt says what of the plan is not to be believed at once; empty for nothing. A pod of which nothing is known any
// more is not opened: it neither sends nor gets anything.
func (s *start) doubt(p plan, nameless int) string {
	there := map[string]bool{}
	for _, element := range p.table.Elements {
		if element.Set != "" && len(element.Key) == 1 {
			there[element.Set+" "+element.Key[0]] = true
		}
	}
	known, lost := 0, 0
	for _, element := range s.found {
		f := element.Set[len("clients"):] // as long as "servers"
		if len(element.Key) != 1 || !there["pods"+f+" "+element.Key[0]] {
			continue
		}
		known++
		if !there[element.Set+" "+element.Key[0]] {
			lost++
		}
	}
	switch {
	case lost*2 > known:
		return fmt.Sprintf("policies to return, or %v to pass, in case the store was lost: of %d directions in which "+
			"addresses of pods are isolated, the API server's policies would open %d", startDelay, known, lost)
	case known > 0 && nameless > 0:
		return fmt.Sprintf("the Nodes of %d peers that the mesh keeps, or for it to give them up", nameless)
	default:
		return ""
	}
}
