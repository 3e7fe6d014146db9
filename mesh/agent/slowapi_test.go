package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

// mute is an API server that reads well and answers no write.
type mute struct{ *meshtest.Cluster }

func (mute) Publish(ctx context.Context, _ string, _ mesh.Announcement) error {
	<-ctx.Done()
	return ctx.Err()
}

func (mute) SetNetworkAvailable(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (mute) PolicyInForce(ctx context.Context, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// A write that hangs holds up neither the first programming of the host nor a repair.
func TestWritesThatHangDoNotDelayRepairs(t *testing.T) {
	for name, prepare := range map[string]func(*meshtest.Node){
		"publish":           func(n *meshtest.Node) { n.Announcement = mesh.Announcement{} },
		"node condition":    func(n *meshtest.Node) { n.NetworkAvailable = false },
		"look for policies": func(n *meshtest.Node) { n.NetworkAvailable = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var api meshtest.API
				own := announced(1)
				prepare(&own)
				api.Create(own, announced(2))
				m := newMachine(&api, 1)
				m.view = func(c *meshtest.Cluster) agent.Cluster { return mute{c} }
				m.start()
				defer m.end()
				time.Sleep(time.Second)
				synctest.Wait()
				wantPeers(t, m, key(2))
				for range 20 {
					time.Sleep(700 * time.Millisecond)
					before := len(m.host.now().Routes)
					m.host.meddle(dropRoutes)
					time.Sleep(time.Second)
					synctest.Wait()
					if got := len(m.host.now().Routes); got != before {
						t.Fatalf("a second after routes were deleted there are %d, want %d", got, before)
					}
				}
			})
		})
	}
}
