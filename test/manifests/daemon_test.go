package manifests_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube"
	"warren.mesh/test/lab"
)

// testDaemon makes the writes of the daemon itself, for good, on Nodes of every kind; it sees that there are policies.
func testDaemon(t *testing.T, f *fixture) {
	for _, name := range []string{fresh, odd, taken, busy, unowned} {
		t.Run(name, func(t *testing.T) {
			c := f.cluster(t, name)
			says := announcement(name)
			f.tells(t, c, name)
			if guarded, err := c.PolicyInForce(t.Context(), string(f.node(t, name).UID)); !guarded || err != nil {
				t.Errorf("policies are not seen: %t, %v", guarded, err)
			}
			err := c.Publish(t.Context(), string(f.node(t, name).UID), mesh.Announcement{
				PublicKey: says[publicKey], Proof: says[proof], Endpoint: says[endpoint],
				PodCIDRs: says[podCIDRs], NodeIPs: says[nodeIPs],
			})
			if err := errors.Join(err, c.SetNetworkAvailable(t.Context()), c.Unpublish(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// cluster is the Node's own view, once it knows itself.
func (f *fixture) cluster(t *testing.T, name string) *kube.Cluster {
	t.Helper()
	c, err := kube.New(kube.Config{REST: f.configs[name], NodeName: name})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	lab.Wait(t, patience, "the Node "+name, func() error {
		if _, ok := c.Self(); !ok {
			return errors.New(c.Waiting())
		}
		return nil
	})
	return c
}
