package linux

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
)

// TestPrivilegedObserveNamesItselfOnce has an agent log why a Host cannot be observed: an error that each of the two
// wrapped would read "observe the host: observe the host: …".
func TestPrivilegedObserveNamesItselfOnce(t *testing.T) {
	meshtest.Privileged(t)
	m := newBareMachine(t, anyMode())
	run(t, "ip link add "+m.cfg.Link+" type bridge")
	var api meshtest.API
	api.Create(meshtest.Node{Name: "self"})
	ctx, stop := context.WithCancel(t.Context())
	var log strings.Builder
	a := agent.New(agent.Config{
		Node: "self", Mesh: mesh.Defaults(), Key: keys.NewHolder(keys.Store{}, m.cfg.Key()),
		Cluster: api.Follow("self", func() {}), Host: observedOnce{m.Host, stop}, Attachments: noAttachments{},
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	a.Run(ctx)
	want := `step=host err="observe the host: ` + ErrForeignLink.Error()
	if text := log.String(); !strings.Contains(text, want) {
		t.Errorf("want %s in the log:\n%s", want, text)
	}
}

// observedOnce is a Host whose agent ends after its first observation. It is not watched: the agent would do that in
// another thread, and so in another network namespace.
type observedOnce struct {
	*Host
	stop func()
}

func (h observedOnce) Observe(ctx context.Context) (mesh.Observation, error) {
	defer h.stop()
	return h.Host.Observe(ctx)
}

func (observedOnce) Watch(ctx context.Context, _ func(), _ func([]mesh.PeerStatus)) error {
	<-ctx.Done()
	return nil
}

type noAttachments struct{}

func (noAttachments) Configure([]netip.Prefix, int) (bool, error) { return false, nil }
func (noAttachments) HostPorts(bool) (map[string]string, error)   { return nil, nil }
func (noAttachments) Strays([]netip.Prefix) ([]netip.Addr, error) { return nil, nil }
func (noAttachments) Rival() (string, bool, error)                { return "", false, nil }
func (noAttachments) Watch(ctx context.Context, _ func()) error   { <-ctx.Done(); return nil }
