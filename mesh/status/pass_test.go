package status

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPass(t *testing.T) {
	var s Snapshot
	if diff := cmp.Diff([]string{"waiting for the first pass"}, s.Unready()); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	s = s.Begin(at(1)).Report("api server", waitingFor("a list"), at(2))
	s = s.Report("host", errors.New("no"), at(2)).End(at(4))
	if s.Pass.Outcome != Failed || s.Pass.Took != 3*time.Second || s.Pass.Ended != at(4) || !s.Pass.Began.IsZero() {
		t.Errorf("%+v", s.Pass)
	}
	want := []string{"api server: waiting for a list", "host: no"}
	if diff := cmp.Diff(want, s.Unready()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = s.Begin(at(5)).Report("host", nil, at(6)).Report("api server", nil, at(6))
	if diff := cmp.Diff(want, s.Unready()); diff != "" {
		t.Errorf("before the pass has ended (-want +got):\n%s", diff)
	}
	s = s.End(at(7))
	if s.Pass.Outcome != Success || len(s.Unready()) != 0 {
		t.Errorf("%+v: %v", s.Pass, s.Unready())
	}
	s = s.Begin(at(8)).Report("api server", waitingFor("a list"), at(9)).End(at(9))
	if diff := cmp.Diff(map[Outcome]uint64{Success: 1, Waited: 1, Failed: 1}, s.Pass.Count); diff != "" {
		t.Errorf("count (-want +got):\n%s", diff)
	}
}

func TestStuck(t *testing.T) {
	s := Snapshot{}.Begin(at(0))
	for seconds, want := range map[int]string{
		299: "", 300: "a pass has been under way for 5m0s", 361: "a pass has been under way for 6m1s",
	} {
		got := ""
		if reasons := s.Stuck(at(seconds)); len(reasons) > 0 {
			got = reasons[0]
		}
		if got != want {
			t.Errorf("after %d seconds: %q, want %q", seconds, got, want)
		}
	}
	if reasons := s.End(at(1)).Stuck(at(1000)); len(reasons) != 0 {
		t.Errorf("between passes: %v", reasons)
	}
}

// A warning is told, and changes nothing else.
func TestWarnings(t *testing.T) {
	s := Snapshot{}.Begin(at(1)).Warn("removal", "many are gone", at(2)).End(at(3))
	warning := Condition{Step: "removal", State: Warning, Reason: "many are gone", Since: at(2)}
	wantConditions(t, s, warning)
	if s.Pass.Outcome != Success || len(s.Unready()) != 0 || len(s.Pass.Undone) != 0 {
		t.Errorf("%+v: %v", s.Pass, s.Unready())
	}
	s = s.Report("host", errors.New("no"), at(4)).Warn("removal", "many are gone", at(5)).End(at(6))
	if diff := cmp.Diff([]string{"host: no"}, s.Unready()); diff != "" || s.Pass.Outcome != Failed {
		t.Errorf("%s, unready (-want +got):\n%s", s.Pass.Outcome, diff)
	}
	if diff := cmp.Diff([]string{"removal: many are gone"}, s.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	wantConditions(t, s, Condition{Step: "host", State: Failing, Reason: "no", Since: at(4)}, warning)
	s = s.Report("host", nil, at(7)).Warn("removal", "", at(7)).Warn("removal", "", at(8))
	wantConditions(t, s)
}
