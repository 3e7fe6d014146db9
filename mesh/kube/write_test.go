package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
)

// TestWrites pins the requests byte by byte: admission policies and field ownership depend on them.
func TestWrites(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(*Cluster) error
		want  patched
	}{
		{
			"publish",
			func(c *Cluster) error {
				return c.Publish(t.Context(), "uid-a",
					mesh.Announcement{PublicKey: "k", Proof: "s", Endpoint: "e", PodCIDRs: "p", NodeIPs: "i"})
			},
			patched{"/api/v1/nodes/a", "application/apply-patch+yaml", "fieldManager=warren&force=true",
				`{"apiVersion":"v1","kind":"Node","metadata":{"annotations":{` +
					`"warren.mesh/endpoint":"e","warren.mesh/node-ips":"i","warren.mesh/pod-cidrs":"p",` +
					`"warren.mesh/proof":"s","warren.mesh/public-key":"k"},` +
					`"name":"a","uid":"uid-a"}}`},
		},
		{
			"unpublish",
			func(c *Cluster) error { return c.Unpublish(t.Context()) },
			patched{"/api/v1/nodes/a", "application/merge-patch+json", "fieldManager=warren",
				`{"metadata":{"annotations":{` +
					`"warren.mesh/endpoint":null,"warren.mesh/node-ips":null,"warren.mesh/pod-cidrs":null,` +
					`"warren.mesh/proof":null,"warren.mesh/public-key":null}}}`},
		},
		{
			"look for a policy",
			func(c *Cluster) error { _, err := c.PolicyInForce(t.Context(), "uid-a"); return err },
			patched{"/api/v1/nodes/a", "application/apply-patch+yaml", "dryRun=All&fieldManager=warren&force=true",
				`{"apiVersion":"v1","kind":"Node","metadata":{"annotations":{` +
					`"warren.mesh/endpoint":"","warren.mesh/node-ips":"","warren.mesh/pod-cidrs":"",` +
					`"warren.mesh/proof":"","warren.mesh/public-key":"is-there-a-policy"},` +
					`"name":"a","uid":"uid-a"}}`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := newFakeAPI()
			if err := test.write(api.cluster(t, nil)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]patched{test.want}, api.patches); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSetNetworkAvailable shows that it writes where Self differs only.
func TestSetNetworkAvailable(t *testing.T) {
	const written = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"uid-a"},` +
		`"status":{"conditions":[{"type":"NetworkUnavailable","status":"False",` +
		`"lastHeartbeatTime":"2000-01-01T00:00:00Z","lastTransitionTime":"2000-01-01T00:00:00Z",` +
		`"reason":"WarrenIsUp","message":"warren has connected this node to the mesh"}]}}`
	for _, test := range []struct {
		name  string
		nodes []*corev1.Node
		want  []patched
		stale bool
	}{
		{"no condition", []*corev1.Node{ownNode()},
			[]patched{{"/api/v1/nodes/a/status", "application/apply-patch+yaml", "fieldManager=warren&force=true",
				written}}, false},
		{"unavailable", []*corev1.Node{ownNode(condition(corev1.ConditionTrue))},
			[]patched{{"/api/v1/nodes/a/status", "application/apply-patch+yaml", "fieldManager=warren&force=true",
				written}}, false},
		{"available already", []*corev1.Node{ownNode(condition(corev1.ConditionFalse))}, nil, false},
		{"no such Node", nil, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(test.nodes...)
				c := api.cluster(t, nil)
				stop := run(t, c)
				err := c.SetNetworkAvailable(t.Context())
				if stale := errors.Is(err, mesh.ErrStale); stale != test.stale || err != nil && !stale {
					t.Errorf("error %v, want a stale one: %t", err, test.stale)
				}
				if diff := cmp.Diff(test.want, api.patches); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				stop()
			})
		})
	}
}

// TestSetNetworkUnavailable shows that it writes the other value, and where Self differs only.
func TestSetNetworkUnavailable(t *testing.T) {
	for status, writes := range map[corev1.ConditionStatus]int{corev1.ConditionFalse: 1, corev1.ConditionTrue: 0} {
		t.Run(string(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(ownNode(condition(status)))
				c := api.cluster(t, nil)
				stop := run(t, c)
				if err := c.SetNetworkUnavailable(t.Context(), "because"); err != nil {
					t.Error(err)
				}
				const want = `"status":"True"`
				if len(api.patches) != writes || writes > 0 && !strings.Contains(fmt.Sprint(api.patches), want) {
					t.Errorf("requests %v, want %d with %s", api.patches, writes, want)
				}
				stop()
			})
		})
	}
}

// TestUnpublishRetiresTheCondition shows that it says nothing any more in warren's name, and leaves what others say.
func TestUnpublishRetiresTheCondition(t *testing.T) {
	since := metav1.Unix(3600, 0)
	said := func(reason string, status corev1.ConditionStatus) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{
				Type: corev1.NodeNetworkUnavailable, Status: status, Reason: reason, LastTransitionTime: since,
			})
		}
	}
	const transition, now = `"lastTransitionTime":"1970-01-01T01:00:00Z"`, `"lastTransitionTime":"2000-01-01T00:00:00Z"`
	for _, test := range []struct {
		name  string
		nodes []*corev1.Node
		// transition is what is written of the time of the transition; empty if nothing is written.
		transition string
	}{
		{"warren is up", []*corev1.Node{ownNode(said("WarrenIsUp", corev1.ConditionFalse))}, transition},
		{"warren is not used", []*corev1.Node{ownNode(said("WarrenIsNotUsed", corev1.ConditionTrue))}, now},
		{"warren was removed", []*corev1.Node{ownNode(said("WarrenIsRemoved", corev1.ConditionFalse))}, ""},
		{"another network is down", []*corev1.Node{ownNode(said("CalicoIsDown", corev1.ConditionTrue))}, ""},
		{"no condition", []*corev1.Node{ownNode()}, ""},
		{"no such Node", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(test.nodes...)
				if err := api.cluster(t, nil).Unpublish(t.Context()); err != nil {
					t.Fatal(err)
				}
				var want []patched
				if test.transition != "" {
					want = []patched{{"/api/v1/nodes/a/status", "application/apply-patch+yaml",
						"fieldManager=warren&force=true",
						`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"uid-a"},` +
							`"status":{"conditions":[{"type":"NetworkUnavailable","status":"False",` +
							`"lastHeartbeatTime":"2000-01-01T00:00:00Z",` + test.transition + `,` +
							`"reason":"WarrenIsRemoved","message":"warren was removed from this node"}]}}`}}
				}
				if diff := cmp.Diff(want, api.patches[1:], cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("requests after that for the annotations (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestWriteErrors tells which answers mean that the Node has changed, for each of the writes.
func TestWriteErrors(t *testing.T) {
	for _, test := range []struct {
		code   int
		reason metav1.StatusReason
		stale  bool
	}{
		{404, metav1.StatusReasonNotFound, true},
		{409, metav1.StatusReasonConflict, true},
		{422, metav1.StatusReasonInvalid, true},
		{401, metav1.StatusReasonUnauthorized, false},
		{403, metav1.StatusReasonForbidden, false},
		{500, metav1.StatusReasonInternalError, false},
		{503, metav1.StatusReasonServiceUnavailable, false},
	} {
		api := newFakeAPI()
		api.answers(
			func(*http.Request) (*http.Response, error) { return refuse(test.code, test.reason, "because"), nil })
		c := api.cluster(t, nil)
		err := c.Publish(t.Context(), "uid", mesh.Announcement{})
		if err == nil || errors.Is(err, mesh.ErrStale) != test.stale || !strings.Contains(err.Error(), "node a: ") ||
			!strings.Contains(err.Error(), "because") {
			t.Errorf("publish, answer %d: %v", test.code, err)
		}
		err = c.Unpublish(t.Context())
		if gone := test.code == 404; gone != (err == nil) {
			t.Errorf("unpublish, answer %d: %v", test.code, err)
		}
	}
}

// TestPublishNeedsUID shows that the request which would create a Node is never sent.
func TestPublishNeedsUID(t *testing.T) {
	api := newFakeAPI()
	err := api.cluster(t, nil).Publish(t.Context(), "", mesh.Announcement{PublicKey: "k"})
	if !errors.Is(err, mesh.ErrStale) || len(api.patches) > 0 {
		t.Errorf("error %v, requests %v", err, api.patches)
	}
}

// TestWriteIsBoundedByContext shows that a silent API server holds nobody longer than ctx.
func TestWriteIsBoundedByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.answers(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := api.cluster(t, nil).Publish(ctx, "uid", mesh.Announcement{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestNewNeedsNodeName(t *testing.T) {
	if _, err := New(Config{REST: newFakeAPI().config()}); err == nil || !strings.Contains(err.Error(), "NODE_NAME") {
		t.Errorf("error %v, want one that names the remedy", err)
	}
}
