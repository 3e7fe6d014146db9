package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/meshtest"
)

// meshed is a Node whose daemon runs, number i of a mesh: its name is a letter, and its UID the name and a generation.
func meshed(i int, generation string) *corev1.Node {
	name := string(rune('a' + i))
	return ownNode(podCIDRs(fmt.Sprintf("10.244.%d.0/24", i)), addresses(fmt.Sprintf("192.0.2.%d", 10+i)),
		condition(corev1.ConditionFalse), func(n *corev1.Node) {
			n.Name, n.UID = name, types.UID(name+generation)
			n.CreationTimestamp = metav1.NewTime(n.CreationTimestamp.Add(time.Duration(i) * time.Second))
			self := nodeobject.ParseOwn(nodeobject.Own{Summary: nodeobject.Summary{Name: name, UID: string(n.UID)},
				PodCIDRs: n.Spec.PodCIDRs[0], InternalIPs: n.Status.Addresses[0].Address})
			self.PublicKey, self.Proof, _ = meshedKey(i).Prove(self.UID)
			n.Annotations = nodeobject.Annotations(mesh.Announce(mesh.Defaults(), self))
		})
}

func meshedKey(i int) *keys.Holder {
	return keys.NewHolder(keys.Store{}, meshtest.Key(fmt.Sprint("meshed ", i)))
}

// mesh5 is a mesh of five nodes: a, whose daemon is tested, and four peers.
func mesh5(generation string) (nodes []*corev1.Node) {
	for i := range 5 {
		nodes = append(nodes, meshed(i, generation))
	}
	return nodes
}

// plain attaches no pods.
type plain struct{}

func (plain) Configure([]netip.Prefix, int) (bool, error) { return false, nil }
func (plain) HostPorts(bool) (map[string]string, error)   { return nil, nil }
func (plain) Strays([]netip.Prefix) ([]netip.Addr, error) { return nil, nil }
func (plain) Rival() (string, bool, error)                { return "", false, nil }
func (plain) Watch(ctx context.Context, _ func()) error   { <-ctx.Done(); return nil }

// daemon is the daemon of node a in full, but for the host, which is a model.
type daemon struct {
	cluster *Cluster
	agent   *agent.Agent
	host    *meshtest.Kernel
}

// runDaemon runs the daemon until the end of the test's bubble, or until stop is called.
func runDaemon(t *testing.T, api *fakeAPI, massRemovalDelay time.Duration) (d *daemon, stop func()) {
	cfg := mesh.Defaults()
	cfg.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}
	d = &daemon{host: meshtest.NewKernel(cfg, false)}
	d.host.SetUnderlay(netip.MustParseAddr("192.0.2.10"), 1500)
	d.cluster = api.cluster(t, func() { d.agent.Poke() })
	d.agent = agent.New(agent.Config{Node: "a", Mesh: cfg, Key: meshedKey(0),
		Cluster: d.cluster, Host: d.host, Attachments: plain{}, MassRemovalDelay: massRemovalDelay})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { d.agent.Run(ctx); close(ended) }()
	stopCluster := run(t, d.cluster)
	return d, func() { stopCluster(); cancel(); <-ended }
}

// size is how much the host knows of others: peers, routes to or against them, and guarded addresses.
type size struct{ Peers, Routes, Guarded int }

func (s size) lacks(before size) bool {
	return s.Peers < before.Peers || s.Routes < before.Routes || s.Guarded < before.Guarded
}

func (d *daemon) size(t *testing.T) size {
	t.Helper()
	synctest.Wait()
	o, err := d.host.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return size{len(o.Peers), len(o.Routes), len(o.Firewall.NodeIPs)}
}

// inVirtualTime turns off the pause that Kubernetes' library makes between two errors: it compares with the last one of
// the process, in whose time another bubble may have been years ahead.
func inVirtualTime(t *testing.T) {
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = nil                            //nolint:reassign // the library offers no other way
	t.Cleanup(func() { utilruntime.ErrorHandlers = handlers }) //nolint:reassign // put back
}

// unavailable is what an API server answers that has just started.
func unavailable(*http.Request) (*http.Response, error) {
	return refuse(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "starting"), nil
}

// TestEmptyStoreShrinksNothing has the API server return with an empty store, in which the own Node is missing like all
// others. Each of the two watches notices when it happens to ask again, or, if it can resume, not at all.
func TestEmptyStoreShrinksNothing(t *testing.T) {
	inVirtualTime(t)
	const runs = 20
	shrunk := 0
	for range runs {
		synctest.Test(t, func(t *testing.T) {
			api := newFakeAPI(mesh5("")...)
			d, stop := runDaemon(t, api, 0)
			defer stop()
			time.Sleep(time.Minute)
			before := d.size(t)
			if before.Peers != 4 || before.Guarded != 5 {
				t.Fatalf("not meshed: %+v", before)
			}
			api.answers(down)
			api.restore()
			time.Sleep(30 * time.Second)
			api.answers(unavailable)
			time.Sleep(10 * time.Second)
			api.answers(nil)
			for range 120 {
				time.Sleep(time.Second)
				if d.size(t) != before {
					shrunk++
					return
				}
			}
		})
	}
	if shrunk > 0 {
		t.Errorf("the mesh shrank in %d of %d runs", shrunk, runs)
	}
}

// synced is a Cluster that has read a mesh of five from an API server whose revisions are ahead of a new store's.
func synced(t *testing.T) (api *fakeAPI, c *Cluster, stop func() time.Duration) {
	api = newFakeAPI(mesh5("")...)
	for range 100 {
		api.put(meshed(1, ""))
	}
	c = api.cluster(t, nil)
	stop = run(t, c)
	time.Sleep(time.Minute)
	return api, c, stop
}

// TestWatchesBeginAnewTogether has an API server return with another store in which everybody is registered anew. One
// of the watches has to list again; the other one resumes at a revision that this server will not reach for long.
func TestWatchesBeginAnewTogether(t *testing.T) {
	inVirtualTime(t)
	whole := map[string]string{"a": "a-new", "b": "b-new", "c": "c-new", "d": "d-new", "e": "e-new"}
	for name, full := range map[string]bool{"the own Node lists again": true, "all Nodes list again": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, c, stop := synced(t)
				defer stop()
				api.answers(down)
				api.restore(mesh5("-new")...)
				time.Sleep(time.Minute)
				api.answers(func(r *http.Request) (*http.Response, error) {
					if asksFull(r) != full {
						return down(r)
					}
					return unavailable(r)
				})
				time.Sleep(time.Minute)
				api.answers(nil)
				time.Sleep(time.Minute)
				if diff := cmp.Diff(look{true, whole, "a-new", ""}, lookAt(c)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestOutageEndsWithTheOwnNode has an API server return with another store, and both watches could resume: the own Node
// is one object, so that its watch lists again, and notices.
func TestOutageEndsWithTheOwnNode(t *testing.T) {
	inVirtualTime(t)
	for name, store := range map[string][]*corev1.Node{"empty": nil, "all anew": mesh5("-new"), "unnoticed": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, c, stop := synced(t)
				defer stop()
				if name != "unnoticed" { // by connections that wait until the server is back
					api.answers(down)
				}
				api.restore(store...)
				time.Sleep(time.Minute)
				api.answers(nil)
				time.Sleep(time.Minute)
				want := look{true, map[string]string{}, "", ""}
				for _, n := range store {
					want.Nodes[n.Name], want.Self = string(n.UID), "a-new"
				}
				if diff := cmp.Diff(want, lookAt(c)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestOutages has the API server fail in each way that is known, for longer than anything is held where nobody can know
// better, and wants nobody to be missing at any time and all to be well afterwards.
func TestOutages(t *testing.T) {
	inVirtualTime(t)
	older := append(mesh5("")[:2], meshed(7, "")) // three are missing, and one that was deleted is back
	for name, outage := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		store  []*corev1.Node
		lasts  time.Duration
	}{
		"refused":                     {down, mesh5(""), time.Hour},
		"unavailable":                 {unavailable, mesh5(""), time.Hour},
		"broken":                      {broken, mesh5(""), time.Hour},
		"hanging":                     {nil, mesh5(""), time.Hour},
		"an empty store":              {served, nil, time.Hour},
		"a store without this node":   {served, mesh5("")[1:3], time.Hour},
		"a store with this node only": {served, mesh5("")[:1], 4 * time.Minute},
		"a successor of this node":    {served, mesh5("-new")[:1], 4 * time.Minute},
		"an older store":              {served, older, 4 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI(mesh5("")...)
				d, stop := runDaemon(t, api, agent.DefaultMassRemovalDelay)
				defer stop()
				time.Sleep(time.Minute)
				before := d.size(t)
				answer, release := outage.answer, func() {}
				if answer == nil {
					answer, release = hanging()
				}
				api.answers(unavailable) // so that each watch has to list again
				api.restore(outage.store...)
				time.Sleep(30 * time.Second)
				api.answers(answer)
				for end := time.Now().Add(outage.lasts); time.Now().Before(end); time.Sleep(10 * time.Second) {
					if now := d.size(t); now.lacks(before) {
						t.Fatalf("%v before the end: %+v, before the outage %+v", time.Until(end), now, before)
					}
				}
				api.answers(unavailable)
				api.restore(mesh5("")...)
				release()
				time.Sleep(30 * time.Second)
				api.answers(nil)
				time.Sleep(time.Minute)
				if now := d.size(t); now != before {
					t.Errorf("afterwards %+v, before %+v", now, before)
				}
				w := httptest.NewRecorder()
				d.agent.Health().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
				if w.Code != http.StatusOK {
					t.Errorf("not ready: %s", w.Body)
				}
			})
		})
	}
}

// served leaves the answer to the fake's store.
func served(*http.Request) (*http.Response, error) { return nil, nil }

func broken(*http.Request) (*http.Response, error) {
	return refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcd is gone"), nil
}

// hanging answers nobody before release.
func hanging() (answer func(*http.Request) (*http.Response, error), release func()) {
	released := make(chan struct{})
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-released:
			return nil, refused
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}, func() { close(released) }
}
