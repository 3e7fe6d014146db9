package userspace

import (
	"sync"
	"time"
)

// quiet is how long a message that was logged is not logged again.
const quiet = 10 * time.Second

// throttle lets messages through at a bounded rate. Its keys are formats, of which wireguard-go has a few dozen.
type throttle struct {
	mu   sync.Mutex
	last map[string]occurrence
}

type occurrence struct {
	logged     time.Time
	suppressed int
}

// allow reports whether to log a message now, and how many like it were kept back since the last.
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
