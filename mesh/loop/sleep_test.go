package loop

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

var sleeps = map[string]func(context.Context, time.Duration) bool{
	"Sleep":      Sleep,
	"SleepUntil": func(ctx context.Context, d time.Duration) bool { return SleepUntil(ctx, time.Now().Add(d)) },
}

func TestSleep(t *testing.T) {
	for name, test := range map[string]struct {
		// ends is when the context ends, zero for before the sleep.
		ends, sleep, want time.Duration
		full              bool
	}{
		"in full":                 {time.Hour, time.Minute, time.Minute, true},
		"cut short":               {time.Second, time.Minute, time.Second, false},
		"the context has ended":   {0, time.Minute, 0, false},
		"nothing":                 {time.Hour, 0, 0, true},
		"less than nothing":       {time.Hour, -time.Minute, 0, true},
		"nothing, and it has too": {0, 0, 0, false},
	} {
		for which, sleep := range sleeps {
			t.Run(name+"/"+which, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), test.ends)
					defer cancel()
					start := time.Now()
					full := sleep(ctx, test.sleep)
					if took := time.Since(start); full != test.full || took != test.want {
						t.Errorf("%v after %v, want %v after %v", full, took, test.full, test.want)
					}
				})
			})
		}
	}
}

func TestUntil(t *testing.T) {
	const pause = 2 * time.Second
	for name, c := range map[string]struct {
		limit        time.Duration
		well         int // The call that reports true; 0: none does.
		canceled     bool
		calls, after int // After that many seconds Until returns.
	}{
		"once without a limit":   {calls: 1},
		"well at once":           {limit: time.Minute, well: 1, calls: 1},
		"well in the third call": {limit: time.Minute, well: 3, calls: 3, after: 4},
		"never well":             {limit: 5 * time.Second, calls: 3, after: 5},
		"canceled":               {limit: time.Minute, canceled: true, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began, calls := time.Now(), 0
				Until(ctx, c.limit, pause, func() bool {
					if calls++; c.canceled {
						cancel()
					}
					return calls == c.well
				})
				if after := time.Since(began); calls != c.calls || after != time.Duration(c.after)*time.Second {
					t.Errorf("%d calls in %v, want %d in %d s", calls, after, c.calls, c.after)
				}
			})
		})
	}
}
