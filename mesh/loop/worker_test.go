package loop

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is the work of a worker: it notes when each pass begins, and answers as told.
type recorder struct {
	start  time.Time
	begun  []time.Duration
	resync []bool
	// takes is how long each pass takes, and next what it returns.
	takes time.Duration
	next  func() Next
}

func (r *recorder) pass(_ context.Context, resync bool) Next {
	r.begun = append(r.begun, time.Since(r.start))
	r.resync = append(r.resync, resync)
	time.Sleep(r.takes)
	if r.next == nil {
		return Next{}
	}
	return r.next()
}

// take returns when the passes since the last call began, and forgets them.
func (r *recorder) take() []time.Duration {
	synctest.Wait()
	begun := r.begun
	r.begun, r.resync = nil, nil
	return begun
}

// work runs test in virtual time beside a worker that has made its first pass.
func work(t *testing.T, resync time.Duration, r *recorder, test func(w *Worker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.start = time.Now()
		w := New(resync, r.pass)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		synctest.Wait()
		test(w)
		stop()
		<-ended
	})
}

func wantTimes(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("passes began (-want +got):\n%s", diff)
	}
}

func TestPokesMakeOnePass(t *testing.T) {
	r := recorder{takes: 100 * time.Millisecond}
	work(t, 0, &r, func(w *Worker) {
		time.Sleep(50 * time.Millisecond) // in the middle of the first pass
		for range 100 {
			w.Poke()
		}
		time.Sleep(time.Hour)
		wantTimes(t, r.take(), 0, 200*time.Millisecond)
		w.Poke()
		wantTimes(t, r.take(), time.Hour+50*time.Millisecond)
	})
}

func TestResync(t *testing.T) {
	var r recorder
	work(t, 5*time.Minute, &r, func(w *Worker) {
		time.Sleep(7 * time.Minute)
		w.Poke()
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]bool{true, true, false, true}, r.resync); diff != "" {
			t.Errorf("resyncs (-want +got):\n%s", diff)
		}
		wantTimes(t, r.take(), 0, 5*time.Minute, 7*time.Minute, 10*time.Minute)
	})
}

func TestNothingHappensByItself(t *testing.T) {
	var r recorder
	work(t, 0, &r, func(*Worker) {
		time.Sleep(24 * time.Hour)
		wantTimes(t, r.take(), 0)
	})
}

// A pass may take as long as it likes, and the worker rests as long, but at most half a second.
func TestRest(t *testing.T) {
	for takes, want := range map[time.Duration]time.Duration{
		0:                      0,
		100 * time.Millisecond: 200 * time.Millisecond,
		time.Minute:            time.Minute + 500*time.Millisecond,
	} {
		r := recorder{takes: takes}
		work(t, 0, &r, func(w *Worker) {
			w.Poke()
			time.Sleep(10 * time.Minute)
			wantTimes(t, r.take(), 0, want)
		})
	}
}

func TestRestless(t *testing.T) {
	r := recorder{takes: 100 * time.Millisecond, next: func() Next { return Next{Restless: true} }}
	work(t, 0, &r, func(w *Worker) {
		w.Poke()
		time.Sleep(time.Hour)
		wantTimes(t, r.take(), 0, 100*time.Millisecond)
	})
}

func TestFailedPassesAreRetriedWithBackoff(t *testing.T) {
	r := recorder{next: func() Next { return Next{Failed: true} }}
	work(t, 0, &r, func(w *Worker) {
		time.Sleep(time.Hour)
		if n := len(r.take()); n < 100 || n > 300 { // every 15 to 30 seconds, and some more at first
			t.Errorf("%d passes in an hour", n)
		}
		for range 100 {
			w.Poke() // a failure that pokes its own repair
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(r.take()); n > 5 {
			t.Errorf("%d passes in a second", n)
		}
		r.next = nil
		w.Poke()
		time.Sleep(time.Hour)
		r.take()
		r.next = func() Next { return Next{Failed: true} }
		w.Poke()
		time.Sleep(time.Second)
		if n := len(r.take()); n < 2 {
			t.Error("the backoff outlives the failures that it came from")
		}
	})
}

func TestPoll(t *testing.T) {
	r := recorder{next: func() Next { return Next{Poll: true} }}
	work(t, 0, &r, func(*Worker) {
		time.Sleep(time.Hour)
		begun := r.take()
		for i, last := 1, begun[0]; i < len(begun); i++ {
			if gap := begun[i] - last; gap > time.Second || gap < 100*time.Millisecond {
				t.Fatalf("pass %d began after %v", i, gap)
			}
			last = begun[i]
		}
		if n := len(begun); n < 3600 || n > 4000 {
			t.Errorf("%d passes in an hour", n)
		}
	})
}

func TestDue(t *testing.T) {
	r := recorder{takes: time.Second}
	var due []time.Time
	r.next = func() Next { return Next{Due: due} }
	synctest.Test(t, func(t *testing.T) { r.start = time.Now() }) // every bubble starts at the same time
	for _, after := range []time.Duration{time.Hour, time.Minute, time.Second, -time.Hour} {
		due = append(due, r.start.Add(after), time.Time{})
	}
	work(t, 0, &r, func(*Worker) {
		time.Sleep(24 * time.Hour)
		wantTimes(t, r.take(), 0, 1500*time.Millisecond, time.Minute, time.Hour)
	})
}

// What became due while the pass was under way is not lost.
func TestDueDuringThePass(t *testing.T) {
	r := recorder{takes: 10 * time.Second}
	r.next = func() Next { return Next{Due: []time.Time{r.start.Add(5 * time.Second)}} }
	work(t, 0, &r, func(*Worker) {
		time.Sleep(time.Hour)
		wantTimes(t, r.take(), 0, 10*time.Second+mostRest)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, next := range map[string]Next{
		"idle": {}, "failed": {Failed: true}, "polling": {Poll: true},
		"due": {Due: []time.Time{time.Now().Add(100 * 365 * 24 * time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			r := recorder{next: func() Next { return next }}
			work(t, time.Minute, &r, func(*Worker) { r.take() })
		})
	}
	t.Run("ended before it began", func(t *testing.T) {
		var r recorder
		ctx, stop := context.WithCancel(t.Context())
		stop()
		New(time.Minute, r.pass).Run(ctx)
		wantTimes(t, r.begun)
	})
}

func TestPokeBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{start: time.Now()}
		w := New(0, r.pass)
		w.Poke()
		w.Poke()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		w.Run(ctx)
		wantTimes(t, r.take(), 0, 0)
	})
}
