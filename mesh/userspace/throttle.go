package userspace

import (
	"sync"
	"time"
)

// quiet is how long the throttle suppresses a message after it was logged.
const quiet = 10 * time.Second

// throttle limits messages of one kind to one per quiet, and counts those that it suppresses. Kinds are formats, of
// which wireguard-go has a few dozen. It shares nothing with mesh/loop, which decides when to do what failed again:
// nothing here waits or is done again.
type throttle struct {
	mu   sync.Mutex
	last map[string]occurrence
}

type occurrence struct {
	logged     time.Time
	suppressed int
}

// allow reports whether to log a message now, and how many of its kind were suppressed since the last one.
func (t *throttle) allow(format string) (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]occurrence{}
	}
	seen := t.last[format]
	if now := time.Now(); now.Sub(seen.logged) >= quiet {
		t.last[format] = occurrence{logged: now}
		return seen.suppressed, true
	}
	seen.suppressed++
	t.last[format] = seen
	return 0, false
}
