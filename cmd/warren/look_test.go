package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// telling serves a report as a daemon does, and returns the run directory.
func telling(t *testing.T, r status.Report) (runDir string) {
	t.Helper()
	runDir = t.TempDir()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(r) })
	reports := servingHandler(t, filepath.Join(runDir, "warren.sock"), mux)
	if err := <-reports; err != nil {
		t.Fatal(err)
	}
	return runDir
}

// wellReport is of a node that is ready and has one peer.
func wellReport(state mesh.PeerState) status.Report {
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	s := status.Snapshot{Node: "node-a"}.Begin(now).End(now)
	return status.Report{
		APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceDaemon, ObservedAt: now,
		Status:       &s,
		Peers:        []status.Peer{{Node: "node-b", State: state, PublicKey: keys.Public{1}}},
		GuardPackets: map[string]uint64{"leak-pod": 0},
	}
}

// execute runs warren with arguments and returns what it prints and its exit status.
func execute(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	root := newRoot()
	var out, diagnostics strings.Builder
	root.SetOut(&out)
	root.SetErr(&diagnostics)
	root.SetArgs(args)
	code, _ = exitCode(root.ExecuteContext(t.Context()))
	return out.String(), code
}

func TestStatusAndPeersOfADaemon(t *testing.T) {
	for state, want := range map[mesh.PeerState]int{
		mesh.PeerConnected: view.ExitWell, mesh.PeerIdle: view.ExitWell, mesh.PeerUnanswered: view.ExitFinding,
		mesh.PeerMissing: view.ExitFinding,
	} {
		t.Run(string(state), func(t *testing.T) {
			runDir := telling(t, wellReport(state))
			for _, command := range []string{"status", "peers"} {
				out, code := execute(t, command, "--run-dir", runDir)
				if code != want || !strings.Contains(out, "node-") {
					t.Errorf("%s: exit status %d, want %d:\n%s", command, code, want, out)
				}
				out, code = execute(t, command, "--run-dir", runDir, "-o", "json")
				var r status.Report
				err := json.Unmarshal([]byte(out), &r)
				if err != nil || code != want || r.Peers[0].State != state {
					t.Errorf("%s -o json: exit status %d, want %d: %v:\n%s", command, code, want, err, out)
				}
			}
		})
	}
}

func TestPeersUnanswered(t *testing.T) {
	list := func(state mesh.PeerState) (string, int) {
		return execute(t, "peers", "--run-dir", telling(t, wellReport(state)), "--unanswered", "-o", "name")
	}
	if out, code := list(mesh.PeerIdle); out != "" || code != view.ExitWell {
		t.Errorf("an idle peer is listed: %q, exit status %d", out, code)
	}
	if out, code := list(mesh.PeerUnanswered); out != "node-b\n" || code != view.ExitFinding {
		t.Errorf("%q, exit status %d", out, code)
	}
}

// asking serves an idle peer's state, and answers to who has peers asked; nil refuses that. It returns the run
// directory and what was asked, in its order.
func asking(t *testing.T, answer *status.Ping) (runDir string, asked *[]status.PingRequest) {
	t.Helper()
	asked = new([]status.PingRequest)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) {
		*asked = append(*asked, status.PingRequest{}) // the zero value is this question
		_ = json.NewEncoder(w).Encode(wellReport(mesh.PeerIdle))
	})
	mux.HandleFunc("POST /v1/probe", func(w http.ResponseWriter, r *http.Request) {
		var request status.PingRequest
		_ = json.NewDecoder(r.Body).Decode(&request)
		if *asked = append(*asked, request); answer == nil {
			http.Error(w, "no socket", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(status.PingReport{
			APIVersion: status.APIVersion, ObservedAt: time.Now(), Peers: []status.Ping{*answer},
		})
	})
	runDir = t.TempDir()
	if err := <-servingHandler(t, filepath.Join(runDir, "warren.sock"), mux); err != nil {
		t.Fatal(err)
	}
	return runDir, asked
}

// status --ask and doctor --ask have the daemon ask all peers once, within the time that there is and without a search
// for the path's MTU, before it tells its state. If some were not asked, it says why, and an idle one is unknown.
func TestStatusAsks(t *testing.T) {
	answer := func(sent, answered int, reason string) *status.Ping {
		m := status.Measurement{Sent: sent, Answered: answered}
		return &status.Ping{Node: "node-b", Measurement: m, Reason: reason}
	}
	for name, tt := range map[string]struct {
		answer  *status.Ping
		peers   view.Result
		unasked string
	}{
		"answered": {answer(1, 1, ""), view.OK, ""},
		"one lost": {answer(1, 0, ""), view.Unknown, ""},
		"no time":  {answer(0, 0, "no time was left"), view.Unknown, "node-b: no time was left"},
		"refused":  {nil, view.Unknown, "no socket"},
	} {
		t.Run(name, func(t *testing.T) {
			runDir, asked := asking(t, tt.answer)
			for command, check := range map[string]string{"status": "peers", "doctor": "peers answer"} {
				*asked = nil
				out, _ := execute(t, command, "--ask", "--run-dir", runDir, "-o", "json")
				var d view.NodeDocument
				if err := json.Unmarshal([]byte(out), &d); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
				if m := d.Peers[0].Asked; (m != nil) != (tt.answer != nil && tt.answer.Sent > 0) ||
					!strings.Contains(d.Unasked, tt.unasked) || (d.Unasked == "") != (tt.unasked == "") {
					t.Errorf("%s: asked %+v, not asked %q", command, m, d.Unasked)
				}
				i := slices.IndexFunc(d.Checks, func(c view.Check) bool { return c.Name == check })
				if c := d.Checks[i]; c.Result != tt.peers || !strings.Contains(c.Detail, tt.unasked) {
					t.Errorf("%s: %+v, want %s", command, c, tt.peers)
				}
				want := []status.PingRequest{{Count: 1, SkipPathMTU: true, Seconds: 8}, {}}
				if diff := cmp.Diff(want, *asked); diff != "" {
					t.Errorf("%s asks (-want +got):\n%s", command, diff)
				}
			}
		})
	}
}

// Another version's document is not taken for one of this version's.
func TestReportOfAnotherVersion(t *testing.T) {
	r := wellReport(mesh.PeerIdle)
	r.APIVersion = "warren.mesh/v2"
	_, err := askDaemon(t.Context(), filepath.Join(telling(t, r), "warren.sock"))
	if err == nil || !strings.Contains(err.Error(), `"warren.mesh/v2"`) {
		t.Errorf("error %v", err)
	}
}

func TestExitCodes(t *testing.T) {
	for name, args := range map[string][]string{
		"flag": {"status", "--outptu=json"}, "value": {"status", "-o", "xml"}, "order": {"peers", "--sort=size"},
		"argument": {"status", "node-b"}, "command": {"peerz"},
	} {
		if _, code := execute(t, args...); code != view.ExitUsage {
			t.Errorf("%s: exit status %d", name, code)
		}
	}
	if code, tell := exitCode(errors.New("no")); code != 1 || !tell {
		t.Errorf("an error: exit status %d, told %v", code, tell)
	}
}

// A socket that an earlier daemon left behind is replaced, and only root may connect.
func TestLeftoverSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warren.sock")
	for range 2 {
		listener, err := server{address: path}.listen()
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info, err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
