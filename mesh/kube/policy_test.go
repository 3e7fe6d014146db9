package kube

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Each of the three policies is missed by a write that only it refuses. What else refuses a write says nothing.
func TestEachPolicyIsMissed(t *testing.T) {
	invalid := refusal{http.StatusUnprocessableEntity, "Invalid", "ValidatingAdmissionPolicy 'a' denied request: no"}
	denied := refusal{http.StatusForbidden, "Forbidden", "ValidatingAdmissionPolicy 'b' denied request: no"}
	busy := refusal{http.StatusServiceUnavailable, "ServiceUnavailable", "later"}
	unauthorized := refusal{http.StatusForbidden, "Forbidden", `User "warren" cannot patch resource "nodes"`}
	for name, test := range map[string]struct {
		// contents, own and events are how a false key, a foreign annotation and an unknown Event fare; nil is taken.
		contents, own, events *refusal
		want, fails           bool
	}{
		"all in force":              {contents: &invalid, own: &denied, events: &denied, want: true},
		"contents are not checked":  {own: &denied, events: &denied},
		"others' are not protected": {contents: &invalid, events: &denied},
		"Events are not bounded":    {contents: &invalid, own: &denied},
		"none":                      {},
		"no right to Events":        {contents: &invalid, own: &denied, events: &unauthorized, want: true},
		"no answer about Events":    {contents: &invalid, own: &denied, events: &busy, fails: true},
		"no right":                  {contents: &unauthorized, own: &unauthorized, fails: true},
		"no right to the second":    {contents: &invalid, own: &unauthorized, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI(node("a", "uid-a"))
			api.answers(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.URL.Query().Get("dryRun") != "All" || !strings.Contains(string(body), "uid-a") {
					t.Errorf("it asks %s for %s, %v", r.URL, body, err)
				}
				if r.Method == http.MethodPost {
					return test.events.response(), nil
				}
				refused := test.own
				if strings.Contains(string(body), `"warren.mesh/public-key":"is-there-a-policy"`) {
					refused = test.contents
				}
				return refused.response(), nil
			})
			got, err := api.cluster(t, nil).PolicyInForce(t.Context(), "uid-a")
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("%t, %v; want %t", got, err, test.want)
			}
		})
	}
}

// refusal is why the API server refuses a write.
type refusal struct {
	code            int
	reason, message string
}

// response is the API server's; of nil, that of a write which is accepted.
func (r *refusal) response() *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	if r == nil {
		fmt.Fprint(w, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}`)
		return w.Result()
	}
	w.WriteHeader(r.code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":%q}`,
		r.reason, r.code, r.message)
	return w.Result()
}
