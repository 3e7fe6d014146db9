package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	var s Snapshot
	s = s.Report("host", errors.Join(errors.New("no buffer space"), errors.New("and no luck \xff")), at(1))
	s = s.Report("api server", waitingFor("a list"), at(2))
	s = s.Report("mtu", nil, at(3))
	api := Condition{Step: "api server", State: Waiting, Reason: "waiting for a list", Since: at(2)}
	host := Condition{Step: "host", State: Failing, Reason: "no buffer space; and no luck \uFFFD", Since: at(1)}
	wantConditions(t, s, api, host)

	s = s.Report("host", errors.New("another"), at(4))
	host.Reason = "another" // and still failing since 1
	wantConditions(t, s, api, host)
	s = s.Report("host", fmt.Errorf("set the link: %w", waitingFor("a device")), at(5))
	host = Condition{Step: "host", State: Waiting, Reason: "set the link: waiting for a device", Since: at(5)}
	wantConditions(t, s, api, host)

	s = s.Report("api server", fmt.Errorf("list: %w", context.Canceled), at(6)) // by a daemon that stops
	wantConditions(t, s, api, host)
	s = s.Report("api server", nil, at(7))
	wantConditions(t, s, host)
	wantConditions(t, s.Report("host", nil, at(8)))
}

// An error of any length makes a short condition.
func TestLongReasonsAreCut(t *testing.T) {
	long := errors.New("nft: " + strings.Repeat("no such file\n", 2<<17))
	s := Snapshot{}.Report("policy tables", long, at(1)).Warn("policy watch", long.Error(), at(1))
	if len(s.Conditions) != 2 {
		t.Fatalf("%d conditions", len(s.Conditions))
	}
	for _, c := range s.Conditions {
		if !strings.HasPrefix(c.Reason, "nft: no such file") || len(c.Reason) > 9<<10 {
			t.Errorf("%s: %d bytes", c.Step, len(c.Reason))
		}
	}
}
