package loop

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// keep runs Keep for a time with runs that last as long as told, and returns when they began and what was reported. A
// run of zero fails before it has begun.
func keep(t *testing.T, lasting time.Duration, runs ...time.Duration) (begun []time.Duration, reports []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), lasting)
		defer stop()
		Keep(ctx, func(ctx context.Context, began func()) error {
			begun = append(begun, time.Since(start))
			if len(runs) == 0 {
				<-ctx.Done()
				return nil
			}
			lasts := runs[0]
			runs = runs[1:]
			if lasts > 0 {
				began()
				began()
			}
			Sleep(ctx, lasts)
			return errors.New("over")
		}, func(err error) {
			text := "began"
			if err != nil {
				text = err.Error()
			}
			reports = append(reports, text)
		})
	})
	return begun, reports
}

// Interruptions that are far apart have nothing to do with each other: none is retried later than the first.
func TestKeepForgetsOldFailures(t *testing.T) {
	begun, _ := keep(t, 24*time.Hour, time.Hour, time.Hour, time.Hour, time.Hour, time.Hour, time.Hour, time.Hour,
		time.Hour, time.Hour)
	if len(begun) != 10 {
		t.Fatalf("%d runs, want 10", len(begun))
	}
	for i := 1; i < len(begun); i++ {
		if pause := begun[i] - begun[i-1] - time.Hour; pause > firstRetry {
			t.Errorf("run %d begins %v after the one before has ended, want %v at most", i, pause, firstRetry)
		}
	}
}

func TestKeepBacksOff(t *testing.T) {
	begun, reports := keep(t, time.Hour, make([]time.Duration, 10_000)...)
	if n := len(begun); n < 120 || n > 250 { // every 15 to 30 seconds, and some more at first
		t.Errorf("%d runs in an hour", n)
	}
	for _, report := range reports {
		if report != "over" {
			t.Fatalf("reported %q", report)
		}
	}
}

// A failure is over when a run has begun, and not when one is tried. The end of the context is none.
func TestKeepReports(t *testing.T) {
	_, reports := keep(t, time.Hour, 0, 0, time.Second, 0, time.Hour)
	if diff := cmp.Diff([]string{"over", "over", "began", "over", "over", "began"}, reports); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
