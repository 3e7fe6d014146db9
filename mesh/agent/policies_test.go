package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh/meshtest"
)

// The log says once that policies are missing, even if the question fails at first, and everything else works.
func TestMissingPoliciesAreNamedOnce(t *testing.T) {
	const message, metric = "admission policies are missing", "\nwarren_admission_policies_missing 1\n"
	for name, test := range map[string]struct {
		unguarded bool
		before    error
		times     int
	}{
		"there":                {false, nil, 0},
		"missing":              {true, nil, 1},
		"missing, known later": {true, errors.New("no answer"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var api meshtest.API
				api.SetPoliciesMissing(test.unguarded)
				api.Create(announced(1))
				m := newMachine(&api, 1)
				m.start()
				defer m.end()
				m.cluster.FailWrites(test.before)
				settle()
				m.cluster.FailWrites(nil)
				time.Sleep(time.Hour) // resyncs
				settle()
				if got := strings.Count(strings.Join(m.log.read(), "\n"), message); got != test.times {
					t.Errorf("it is said %d times, want %d", got, test.times)
				}
				if _, metrics := m.get("/metrics"); strings.Contains(metrics, metric) != test.unguarded {
					t.Errorf("metrics: want %q %t, in\n%s", metric, test.unguarded, metrics)
				}
				if code, body := m.get("/readyz"); code != 200 {
					t.Errorf("not ready: %s", body)
				}
			})
		})
	}
}
