package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseMetrics(t *testing.T) {
	text := "# HELP a Of something.\n# TYPE a gauge\na 3\n\nb{reason=\"with a space\",step=\"x\"} 1e+06\nc NaN\n"
	got, err := parseMetrics(text)
	if err != nil {
		t.Fatal(err)
	}
	delete(got, "c")
	if diff := cmp.Diff(map[string]float64{"a": 3, `b{reason="with a space",step="x"}`: 1e6}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"lonely", "a one"} {
		if _, err := parseMetrics(text); err == nil {
			t.Errorf("%q was taken for a metric", text)
		}
	}
}

// A watch has two events, of which the first says what is of interest.
func TestParseAudit(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const user = `"user":{"username":"system:serviceaccount:kube-system:warren","extra":{"authentication.kubernetes.io/node-name":["node1"]}}`
	const events = `{"auditID":"1","verb":"watch",` + user + `,"objectRef":{"resource":"nodes"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-23T12:00:00Z"}
{"auditID":"2","verb":"patch",` + user + `,"objectRef":{"resource":"nodes","name":"node1","subresource":"status"},"requestURI":"/api/v1/nodes/node1/status?dryRun=All&force=true","responseStatus":{"code":422},"stageTimestamp":"2026-11-23T12:00:01Z"}
{"auditID":"1","verb":"watch",` + user + `,"objectRef":{"resource":"nodes"},"responseStatus":{"code":500},"stageTimestamp":"2026-11-23T12:00:02Z"}
{"auditID":"3","verb":"get","user":{"username":"system:anonymous"},"responseStatus":{"code":403},"stageTimestamp":"2026-11-23T12:00:03Z"}
`
	const warren = "system:serviceaccount:kube-system:warren"
	want := []Request{
		{Time: at, User: warren, Node: "node1", Verb: "watch", Resource: "nodes", Code: 200},
		{Time: at.Add(time.Second), User: warren, Node: "node1", Verb: "patch", Resource: "nodes", Subresource: "status", Name: "node1", Code: 422, DryRun: true},
		{Time: at.Add(3 * time.Second), User: "system:anonymous", Verb: "get", Code: 403},
	}
	got, err := parseAudit([]byte(events))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseAudit([]byte("{")); err == nil {
		t.Error("half an event was taken for one")
	}
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[int]string{1: "three", 2: "two\nthree", 3: "one\ntwo\nthree", 99: "one\ntwo\nthree"} {
		if diff := cmp.Diff(want, string(tail(file, lines))); diff != "" {
			t.Errorf("%d lines (-want +got):\n%s", lines, diff)
		}
	}
}

func TestNodeAddresses(t *testing.T) {
	for family, want := range map[Family][]string{
		IPv4: {"172.31.9.7"}, IPv6: {"fd00:9::7"}, Dual: {"172.31.9.7", "fd00:9::7"},
	} {
		var wanted []netip.Addr
		for _, text := range want {
			wanted = append(wanted, netip.MustParseAddr(text))
		}
		if diff := cmp.Diff(wanted, family.nodeIPs(7), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", family, diff)
		}
	}
}

// Labs of tests with one name, in different packages, must not end each other.
func TestNameOfALab(t *testing.T) {
	first := Options{}.complete("TestA/with spaces#01")
	t.Chdir(t.TempDir())
	second := Options{}.complete("TestA/with spaces#01")
	if first.Name == second.Name {
		t.Errorf("two packages' labs are both called %s", first.Name)
	}
	if want := "testa-with-spaces-01-"; first.Name[:len(want)] != want {
		t.Errorf("it is called %s, want %s…", first.Name, want)
	}
	if first.Nodes != 3 || first.MTU != 1500 {
		t.Errorf("%d nodes with an MTU of %d", first.Nodes, first.MTU)
	}
}
