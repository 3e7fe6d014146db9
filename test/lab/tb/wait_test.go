package tb

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

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
		got := Record(t, func(t TB) { Wait(t, time.Second, "the end", func() error { return errors.New("not yet") }) })
		if len(got) != 1 || got[0] != "the end: not within 1s: not yet" {
			t.Errorf("failed with %q", got)
		}
	})
}
