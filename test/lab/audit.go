package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
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

// auditPolicy leaves the lab's own requests out. Of a watch the start is of interest, of everything else the end.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [admin, "system:kube-controller-manager", "system:apiserver"]
- level: Metadata
`

// nodeClaim is where the token's node-name claim is among the user's extra fields.
const nodeClaim = "authentication.kubernetes.io/node-name"

func (l *Lab) auditPolicyFile() string { return filepath.Join(l.Dir, "audit-policy.yaml") }
func (l *Lab) auditFile() string       { return l.logFile("audit") }

func (l *Lab) writeAuditPolicy() error {
	return os.WriteFile(l.auditPolicyFile(), []byte(auditPolicy), 0o644)
}

// Audit is what the API server was asked so far, in order, by anybody but the administrator, itself and the controllers.
func (l *Lab) Audit(t TB) []Request {
	t.Helper()
	content, err := os.ReadFile(l.auditFile())
	if err != nil {
		t.Fatalf("read the audit log: %v", err)
	}
	requests, err := parseAudit(content)
	if err != nil {
		t.Fatalf("read the audit log: %v", err)
	}
	return requests
}

// auditEvent is the part of audit.k8s.io/v1's Event that tests ask for.
type auditEvent struct {
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

// parseAudit reads events, one a line, and of each request the first: of a watch its start.
func parseAudit(content []byte) ([]Request, error) {
	var requests []Request
	seen := map[string]bool{}
	for line := range bytes.Lines(content) {
		var e auditEvent
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

func (e auditEvent) request() Request {
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
