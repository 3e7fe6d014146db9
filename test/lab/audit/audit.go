// Package audit reads the API server's audit log: who asked it for what.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// Request is one entry of the API server's audit log.
type Request struct {
	Time time.Time
	// User is the user name, Node the node-name claim of the token (empty without one).
	User, Node string
	// Verb is lower case: get, list, watch, create, update, patch (server-side apply too), delete.
	Verb string
	// Resource, Subresource and Name are of the object; empty for other paths. A list has no Name.
	Resource, Subresource, Name string
	// Code is the HTTP status.
	Code int
	// DryRun says that nothing was to be written.
	DryRun bool
}

// Policy is the API server's audit policy. It leaves the lab's own requests out. Of a watch the start is of interest,
// of everything else the end.
const Policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [admin, "system:kube-controller-manager", "system:apiserver"]
- level: Metadata
`

// nodeClaim is where the token's node-name claim is among the user's extra fields.
const nodeClaim = "authentication.kubernetes.io/node-name"

// event is the part of audit.k8s.io/v1's Event that tests ask for.
type event struct {
	AuditID string
	Verb    string
	User    struct {
		Username string
		Extra    map[string][]string
	}
	ObjectRef      struct{ Resource, Subresource, Name string }
	ResponseStatus struct{ Code int }
	RequestURI     string
	StageTimestamp time.Time
}

// Parse reads events, one a line, and of each request the first: of a watch its start.
func Parse(content []byte) ([]Request, error) {
	var requests []Request
	seen := map[string]bool{}
	for line := range bytes.Lines(content) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit event %q: %w", line, err)
		}
		if !seen[e.AuditID] {
			seen[e.AuditID] = true
			requests = append(requests, e.request())
		}
	}
	return requests, nil
}

func (e event) request() Request {
	r := Request{
		Time: e.StageTimestamp, User: e.User.Username, Verb: e.Verb,
		Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource, Name: e.ObjectRef.Name,
		Code: e.ResponseStatus.Code,
	}
	if uri, err := url.Parse(e.RequestURI); err == nil {
		r.DryRun = uri.Query().Has("dryRun")
	}
	if claim := e.User.Extra[nodeClaim]; len(claim) > 0 {
		r.Node = claim[0]
	}
	return r
}
