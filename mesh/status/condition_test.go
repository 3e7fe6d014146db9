package status

import (
	"context"
	"errors"
	"fmt"
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
