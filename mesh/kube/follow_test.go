package kube

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// refused is what a dial to a stopped API server gives.
var refused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func down(*http.Request) (*http.Response, error) { return nil, refused }

// run runs c until the end of the test's bubble, or until stop is called; stop tells how long the end took.
func run(t *testing.T, c *Cluster) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	stop = func() time.Duration {
		start := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(start)
	}
	synctest.Wait()
	return stop
}

func node(name, uid string) *corev1.Node {
	return ownNode(func(n *corev1.Node) { n.Name, n.UID = name, types.UID(uid) })
}

// look is what a Cluster of node a says after everything has come to rest.
type look struct {
	Synced bool
	// Nodes are UIDs by name.
	Nodes map[string]string
	// Self is the own Node's UID.
	Self    string
	Waiting string
}

func lookAt(c *Cluster) look {
	synctest.Wait()
	self, _ := c.Self()
	return look{c.Synced(), uids(c.nodes), self.UID, c.Waiting()}
}

const (
	first        = "the first list of Nodes from the API server at http://192.0.2.1:6443"
	disconnected = "the API server at http://192.0.2.1:6443: dial: connect: connection refused"
)

// TestFollow goes through a life: start without an API server, sync, changes, an outage, and what it brought.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI(node("a", "1"), node("b", "2"))
		api.answers(down)
		var pokes atomic.Int32
		c := api.cluster(t, func() { pokes.Add(1) })
		check := func(step string, wantPokes bool, want look) {
			t.Helper()
			if diff := cmp.Diff(want, lookAt(c)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step, diff)
			}
			if n := pokes.Swap(0); (n > 0) != wantPokes {
				t.Errorf("%s: %d pokes, want any: %t", step, n, wantPokes)
			}
		}
		check("before Run", false, look{false, map[string]string{}, "", first})
		stop := run(t, c)
		check("no API server", true, look{false, map[string]string{}, "", disconnected})
		time.Sleep(time.Minute)
		check("still none: nothing new to say", false, look{false, map[string]string{}, "", disconnected})

		api.answers(nil)
		time.Sleep(20 * time.Second)
		check("synced", true, look{true, map[string]string{"a": "1", "b": "2"}, "1", ""})
		api.put(node("b", "2"))
		check("a heartbeat", false, look{true, map[string]string{"a": "1", "b": "2"}, "1", ""})
		api.put(node("c", "3"))
		check("one joins", true, look{true, map[string]string{"a": "1", "b": "2", "c": "3"}, "1", ""})
		api.remove("a")
		check("the own one is deleted", true, look{true, map[string]string{"b": "2", "c": "3"}, "", ""})
		api.put(node("a", "4"))
		check("and created anew", true, look{true, map[string]string{"a": "4", "b": "2", "c": "3"}, "4", ""})

		api.answers(down)
		api.hangUp()
		time.Sleep(time.Minute)
		check("an outage freezes", true, look{true, map[string]string{"a": "4", "b": "2", "c": "3"}, "4", disconnected})
		api.remove("b")
		api.put(node("c", "5"))
		api.answers(nil)
		time.Sleep(20 * time.Second)
		check("what happened meanwhile", true, look{true, map[string]string{"a": "4", "c": "5"}, "4", ""})
		stop()
	})
}

// TestRunEndsAtOnce shows that the end of ctx cuts the longest wait short: a daemon that is stopped during an outage
// must not be killed for taking a minute.
func TestRunEndsAtOnce(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"while waiting to ask again": down,
		"while a request hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"while following": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(node("a", "1"))
				api.answers(answer)
				stop := run(t, api.cluster(t, nil))
				time.Sleep(time.Minute)
				if took := stop(); took > 0 {
					t.Errorf("Run took %v to end", took)
				}
			})
		})
	}
}

// TestObstacles shows what is said of each obstacle that an API server can put in the way, and of what is none.
func TestObstacles(t *testing.T) {
	const server = "the API server at http://192.0.2.1:6443: "
	always := func(code int, reason metav1.StatusReason, message string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return refuse(code, reason, message), nil }
	}
	watches := func(code int, reason metav1.StatusReason, message string) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("watch") == "" {
				return nil, nil
			}
			return refuse(code, reason, message), nil
		}
	}
	denied := func(verbs string) string {
		return `nodes is forbidden: User "system:serviceaccount:kube-system:warren" cannot ` + verbs +
			` resource "nodes" in API group "" at the cluster scope`
	}
	denies := func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("watch") == "" {
			return refuse(403, metav1.StatusReasonForbidden, denied("list")), nil
		}
		return refuse(403, metav1.StatusReasonForbidden, denied("watch")), nil
	}
	for _, test := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		synced bool
		want   string
	}{
		{"none", nil, true, ""},
		{"credentials", always(401, metav1.StatusReasonUnauthorized, "Unauthorized"), false,
			server + "it does not accept our credentials: check the ServiceAccount's token or the kubeconfig"},
		{"a verb is missing", watches(403, metav1.StatusReasonForbidden, denied("watch")), true,
			server + denied("list and watch") + ": apply warren's ClusterRole"},
		{"both verbs are missing", denies, false, server + denied("list and watch") + ": apply warren's ClusterRole"},
		{"it is starting", always(503, metav1.StatusReasonServiceUnavailable, "etcd is not ready"), false,
			server + "etcd is not ready"},
		{"it has too much to do", always(429, metav1.StatusReasonTooManyRequests, "too many requests"), false,
			server + "too many requests"},
		{"it cannot stream lists", func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("sendInitialEvents") == "" {
				return nil, nil
			}
			return refuse(422, metav1.StatusReasonInvalid, "sendInitialEvents: Forbidden"), nil
		}, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(node("a", "1"))
				api.answers(test.answer)
				var pokes atomic.Int32
				c := api.cluster(t, func() { pokes.Add(1) })
				stop := run(t, c)
				time.Sleep(time.Minute)
				pokes.Store(0)
				time.Sleep(time.Hour)
				got := lookAt(c)
				if n := pokes.Load(); n > 0 {
					t.Errorf("%d pokes in an hour in which nothing changed", n)
				}
				if got.Waiting != test.want || got.Synced != test.synced {
					t.Errorf("synced %t, waiting for %q\nwant %t, %q", got.Synced, got.Waiting, test.synced, test.want)
				}
				stop()
			})
		})
	}
}
