package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
)

var daemonIsWell = regexp.MustCompile(`(?m)^ ok +daemon$`)

// wantStatus wants the commands on a node to name their source, to list the same peers as `wg show`, and to exit with
// code. Nothing but a daemon says that a daemon is well.
func wantStatus(t *testing.T, n *lab.Node, source status.Source, code int) {
	t.Helper()
	text, got := n.Warren(t, "status")
	if got != code || !strings.Contains(text, fmt.Sprintf("Source: %s,", source)) {
		t.Errorf("%s: warren status exits with %d, want %d from source %s:\n%s", n.Name, got, code, source, text)
	}
	if well := daemonIsWell.MatchString(text); well != (source == status.SourceDaemon) {
		t.Errorf("%s: the daemon is well: %v\n%s", n.Name, well, text)
	}
	wantPeersOfDevice(t, n)
	if source == status.SourceDaemon {
		wantFields(t, n)
	}
	wantDiagnosis(t, n, source == status.SourceDaemon)
}

// toldStatus is what the node's daemon tells of itself now.
func toldStatus(t *testing.T, n *lab.Node) (s status.Snapshot, err error) {
	t.Helper()
	out, _ := n.Warren(t, "status", "-o", "json")
	var document views.NodeDocument
	decode(t, out, &document)
	if document.Status == nil {
		return s, fmt.Errorf("%s: the daemon does not answer", n.Name)
	}
	return *document.Status, nil
}

// wantDiagnosis wants no finding of `warren doctor`, what the kernel tells in any case, and what the daemon tells only
// while it runs.
func wantDiagnosis(t *testing.T, n *lab.Node, daemon bool) {
	t.Helper()
	results, code := diagnosis(t, n)
	want, unknown := views.ExitWell, views.OK
	if !daemon {
		want, unknown = views.ExitUnknown, views.Unknown
	}
	for id, result := range map[doctor.ID]views.Result{
		doctor.APIServer: unknown, doctor.DaemonReady: unknown, doctor.NodesInMesh: unknown,
		doctor.Sessions: views.OK, doctor.CNIConfiguration: views.OK, doctor.PathMTU: views.OK,
		doctor.GuardUnaltered: views.OK, doctor.GuardDrops: views.OK, doctor.KeyAge: views.OK,
	} {
		if results[id] != result {
			t.Errorf("%s: %s is %s, want %s", n.Name, id, results[id], result)
		}
	}
	if code != want {
		t.Errorf("%s: warren doctor exits with %d, want %d: %v", n.Name, code, want, results)
	}
}

// diagnosis returns what `warren doctor` finds on a node, and its exit status.
func diagnosis(t *testing.T, n *lab.Node) (map[doctor.ID]views.Result, int) {
	t.Helper()
	out, code := n.Warren(t, "doctor", "-o", "json")
	var document struct{ Checks []views.Check }
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%s: warren doctor exits with %d: %v\n%s", n.Name, code, err, out)
	}
	results := map[doctor.ID]views.Result{}
	for _, c := range document.Checks {
		results[doctor.ID(c.ID)] = c.Result
	}
	return results, code
}

// wantCheck wants one check to have this result, and a finding to be in the exit status.
func wantCheck(t *testing.T, n *lab.Node, id doctor.ID, want views.Result) {
	t.Helper()
	results, code := diagnosis(t, n)
	if results[id] != want || want == views.Fail && code != views.ExitFinding {
		t.Errorf("%s: %s is %s, want %s; exit status %d", n.Name, id, results[id], want, code)
	}
}
