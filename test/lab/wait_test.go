package lab

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a TB whose failures are looked at.
type recorder struct {
	*testing.T
	errors []string
}

func (r *recorder) Failed() bool { return len(r.errors) > 0 }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// record runs f as a test of its own and returns what it failed with.
func record(t *testing.T, f func(TB)) []string {
	r := &recorder{T: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.errors
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		took := Wait(t, time.Second, "half a second", func() error {
			if time.Since(begin) < time.Second/2 {
				return errors.New("not yet")
			}
			return nil
		})
		if took != time.Second/2 {
			t.Errorf("waited %v", took)
		}
	})
}

func TestWaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := record(t, func(t TB) { Wait(t, time.Second, "the end", func() error { return errors.New("not yet") }) })
		if len(got) != 1 || got[0] != "the end: not within 1s: not yet" {
			t.Errorf("failed with %q", got)
		}
	})
}
