package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/mesh"
)

// netips compares what netip keeps to itself.
var netips = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

// at is a time so many seconds after some moment.
func at(seconds int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC)
}

func waitingFor(what string) error { return fmt.Errorf("%w for %s", mesh.ErrWaiting, what) }

func wantConditions(t *testing.T, s Snapshot, want ...Condition) {
	t.Helper()
	if diff := cmp.Diff(Conditions(want), s.Conditions, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

// randomly returns s after something has happened, the same for the same n.
func randomly(s Snapshot, n uint64) Snapshot {
	random := rand.New(rand.NewPCG(n, 0))
	step := Step([]string{"a", "b", "c", "d"}[random.IntN(4)])
	now := at(int(n))
	switch random.IntN(7) {
	case 0, 1:
		return s.Report(step, nil, now)
	case 2:
		return s.Report(step, waitingFor(fmt.Sprint(random.IntN(3))), now)
	case 3:
		return s.Report(step, fmt.Errorf("no. %d", random.IntN(3)), now)
	case 4:
		return s.WithProblems([]mesh.Problem{{Node: string(step)}, {Node: fmt.Sprint(random.IntN(3))}}, now)
	case 5:
		return s.Begin(now)
	default:
		return s.WithInterruption(errors.New("overrun")).End(now)
	}
}

// A reader keeps a Snapshot for as long as it likes: nothing that happens later changes it.
func TestSnapshotsAreValues(t *testing.T) {
	var s Snapshot
	var all []Snapshot
	var texts []string
	for n := range uint64(2000) {
		s = randomly(s, n)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		all, texts = append(all, s), append(texts, string(text))
	}
	for i, s := range all {
		if text, _ := json.Marshal(s); string(text) != texts[i] {
			t.Fatalf("snapshot %d has become %s, and was %s", i, text, texts[i])
		}
	}
}

func TestJSON(t *testing.T) {
	s := Snapshot{
		Node:   "node-a",
		Daemon: Daemon{Version: "v1", Backend: "kernel", BackendReason: "it is a test"},
		Peers:  Peers{Desired: 2, Programmed: 1},
		Pods: Pods{
			CIDRs:     []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
			Effective: true, Strays: []netip.Addr{netip.MustParseAddr("10.244.9.5")},
		},
		Policies:        PoliciesInForce,
		KeyReplacements: 1,
	}
	s = s.WithInterruption(errors.New("overrun"))
	s = s.WithProblems([]mesh.Problem{{Node: "b", Field: "endpoint", Reason: "no port"}}, at(1))
	s = s.Begin(at(1)).Report("host", errors.New("no"), at(2)).End(at(3)).Begin(at(4))
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "node": "node-a",
  "daemon": {
    "version": "v1",
    "backend": "kernel",
    "backendReason": "it is a test"
  },
  "pass": {
    "began": "2026-01-01T00:00:04Z",
    "ended": "2026-01-01T00:00:03Z",
    "took": 2000000000,
    "outcome": "error",
    "undone": [
      {
        "step": "host",
        "state": "failing",
        "reason": "no",
        "since": "2026-01-01T00:00:02Z"
      }
    ],
    "count": {
      "error": 1
    }
  },
  "conditions": [
    {
      "step": "host",
      "state": "failing",
      "reason": "no",
      "since": "2026-01-01T00:00:02Z"
    }
  ],
  "problems": [
    {
      "node": "b",
      "field": "endpoint",
      "reason": "no port",
      "since": "2026-01-01T00:00:01Z"
    }
  ],
  "peers": {
    "desired": 2,
    "programmed": 1,
    "unanswered": 0,
    "turns": 0
  },
  "pods": {
    "cidrs": [
      "10.244.1.0/24"
    ],
    "effective": true,
    "strays": [
      "10.244.9.5"
    ]
  },
  "policies": "in force",
  "watch": {
    "restarts": 1,
    "interruption": "overrun"
  },
  "keyReplacements": 1
}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var again Snapshot
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, again, netips); diff != "" {
		t.Errorf("read again (-written +read):\n%s", diff)
	}
}
