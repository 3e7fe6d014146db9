package audit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A watch has two events, of which the first says what is of interest.
func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const user = `"user":{"username":"system:serviceaccount:kube-system:warren",` +
		`"extra":{"authentication.kubernetes.io/node-name":["node1"]}}`
	const events = `{"auditID":"1","verb":"watch",` + user + `,"objectRef":{"resource":"nodes"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-23T12:00:00Z"}
{"auditID":"2","verb":"patch",` + user + `,"objectRef":{"resource":"nodes","name":"node1","subresource":"status"},"requestURI":"/api/v1/nodes/node1/status?dryRun=All&force=true","responseStatus":{"code":422},"stageTimestamp":"2026-11-23T12:00:01Z"}
{"auditID":"1","verb":"watch",` + user + `,"objectRef":{"resource":"nodes"},"responseStatus":{"code":500},"stageTimestamp":"2026-11-23T12:00:02Z"}
{"auditID":"3","verb":"get","user":{"username":"system:anonymous"},"responseStatus":{"code":403},"stageTimestamp":"2026-11-23T12:00:03Z"}
`
	const warren = "system:serviceaccount:kube-system:warren"
	want := []Request{
		{Time: at, User: warren, Node: "node1", Verb: "watch", Resource: "nodes", Code: 200},
		{Time: at.Add(time.Second), User: warren, Node: "node1", Verb: "patch", Resource: "nodes",
			Subresource: "status", Name: "node1", Code: 422, DryRun: true},
		{Time: at.Add(3 * time.Second), User: "system:anonymous", Verb: "get", Code: 403},
	}
	got, err := Parse([]byte(events))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Parse([]byte("{")); err == nil {
		t.Error("half an event was taken for one")
	}
}
