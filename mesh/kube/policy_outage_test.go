package kube

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// policyAPI is what a PolicyMirror asks an API server beside its Nodes, for which fakeAPI answers: lists, and watches
// that are silent until they are hung up.
type policyAPI struct {
	*fakeAPI
	mu sync.Mutex
	// outage overrides what every request gets; nil serves it.
	outage func(*http.Request) (*http.Response, error)
	// policies are the names of the NetworkPolicies, and pods of the Pods on this node.
	policies, pods []string
	revision       int
	watches        []*io.PipeWriter
}

func newPolicyAPI() *policyAPI {
	a := &policyAPI{fakeAPI: newFakeAPI(mesh5("")...)}
	a.answers(a.serve)
	return a
}

// becomes changes the server: what it answers, and the store that it has.
func (a *policyAPI) becomes(outage func(*http.Request) (*http.Response, error), policies, pods []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outage, a.policies, a.pods = outage, policies, pods
	a.revision++
	for _, w := range a.watches {
		_ = w.Close()
	}
	a.watches = nil
	a.hangUp()
}

func (a *policyAPI) serve(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	outage := a.outage
	a.mu.Unlock()
	if outage != nil {
		if response, err := outage(r); response != nil || err != nil {
			return response, err
		}
	}
	if strings.Contains(r.URL.Path, "/nodes") {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	query := r.URL.Query()
	switch {
	case query.Get("sendInitialEvents") != "":
		return refuse(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "lists only"), nil
	case query.Get("watch") != "" && query.Get("resourceVersion") != strconv.Itoa(a.revision):
		return refuse(http.StatusGone, metav1.StatusReasonExpired, "list again"), nil
	case query.Get("watch") != "":
		body, stream := io.Pipe()
		a.watches = append(a.watches, stream)
		context.AfterFunc(r.Context(), func() { _ = stream.Close() })
		return &http.Response{StatusCode: http.StatusOK, Header: jsonHeader(), Body: body}, nil
	case strings.HasSuffix(r.URL.Path, "/networkpolicies"):
		return a.list("NetworkPolicyList", "networking.k8s.io/v1", a.policies), nil
	case strings.HasSuffix(r.URL.Path, "/namespaces"):
		return a.list("PartialObjectMetadataList", "meta.k8s.io/v1", []string{"default"}), nil
	case strings.Contains(query.Get("fieldSelector"), "spec.nodeName=a"):
		return a.list("PodList", "v1", a.pods), nil
	default:
		return a.list("PodList", "v1", nil), nil
	}
}

func (a *policyAPI) list(kind, version string, names []string) *http.Response {
	items := []any{}
	for _, name := range names {
		items = append(items, map[string]any{
			"metadata": map[string]any{"namespace": "default", "name": name, "uid": name},
			"spec":     map[string]any{"nodeName": "a"},
			"status":   map[string]any{"podIPs": []any{map[string]any{"ip": "10.244.0.9"}}},
		})
	}
	return reply(http.StatusOK, map[string]any{"kind": kind, "apiVersion": version, "items": items,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(a.revision)}})
}

// TestPolicyOutages: whatever an API server that is away or has lost its store answers, policies and pods stay as they
// were, and afterwards they are what it says.
func TestPolicyOutages(t *testing.T) {
	inVirtualTime(t)
	policies, pods := []string{"p1", "p2", "p3", "p4"}, []string{"web"}
	const all = "pod web, policy p1, policy p2, policy p3, policy p4"
	for name, outage := range map[string]struct {
		answer         func(*http.Request) (*http.Response, error)
		policies, pods []string
		// nodeless says that the own Node is gone with the store.
		nodeless bool
		lasts    time.Duration
	}{
		"refused":                   {down, policies, pods, false, 10 * time.Minute},
		"unavailable":               {unavailable, policies, pods, false, 10 * time.Minute},
		"broken":                    {broken, policies, pods, false, 10 * time.Minute},
		"hanging":                   {nil, policies, pods, false, 10 * time.Minute},
		"an empty store":            {served, nil, nil, true, 10 * time.Minute},
		"a store without this node": {served, policies[:2], nil, true, 10 * time.Minute},
		"a store in part":           {served, policies[:1], pods, false, 4 * time.Minute},
		"a store without policies":  {served, nil, pods, false, 4 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newPolicyAPI()
				api.becomes(nil, policies, pods)
				c := api.cluster(t, nil)
				told := &sink{all: map[string]string{}}
				m := c.Policies(told, nil)
				stopCluster := run(t, c)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- m.Run(ctx) }()
				defer func() {
					cancel()
					if err := <-ended; err != nil {
						t.Error(err)
					}
					stopCluster()
				}()
				time.Sleep(time.Minute)
				if diff := cmp.Diff(all, told.told()); diff != "" || !m.Synced() || m.Waiting() != "" {
					t.Fatalf("synced %t, waiting for %q; (-want +got):\n%s", m.Synced(), m.Waiting(), diff)
				}
				answer, release := outage.answer, func() {}
				if answer == nil {
					answer, release = hanging()
				}
				if outage.nodeless {
					api.restore(mesh5("")[1:]...)
				}
				api.becomes(answer, outage.policies, outage.pods)
				for end := time.Now().Add(outage.lasts); time.Now().Before(end); time.Sleep(30 * time.Second) {
					if diff := cmp.Diff(all, told.told()); diff != "" {
						t.Fatalf("%v before the end (-want +got):\n%s", time.Until(end), diff)
					}
				}
				if outage.nodeless {
					api.restore(mesh5("")...)
				}
				api.becomes(nil, append(policies[:3:3], "p5"), pods)
				release()
				time.Sleep(2 * time.Minute)
				if diff := cmp.Diff("pod web, policy p1, policy p2, policy p3, policy p5", told.told()); diff != "" {
					t.Errorf("afterwards, waiting for %q (-want +got):\n%s", m.Waiting(), diff)
				}
			})
		})
	}
}
