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
