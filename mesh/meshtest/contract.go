package meshtest

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// Host is what agent consumes of a host's network, and what RunHostContract tests.
type Host interface {
	Observe(ctx context.Context) (mesh.Observation, error)
	Apply(ctx context.Context, c mesh.Change) error
	UnderlayMTU(own, peers []netip.Addr) (int, error)
	InitiateHandshakes(ctx context.Context, peers []mesh.Peer)
	Watch(ctx context.Context, poke func(), seen func([]mesh.PeerStatus)) error
	Leaks(ctx context.Context) (map[string]uint64, error)
	Operations() map[string]uint64
}

var _ Host = (*Kernel)(nil)

// Harness is one fresh host to test the contract on.
type Harness struct {
	Host Host
	// Restart returns the Host of another process on the same kernel, after the first process has ended.
	Restart func() Host
	// Meddler is somebody else on that kernel.
	Meddler Meddler
	// Config has the names that the Host was made for.
	Config mesh.Config
	// Key belongs to the Host's private key.
	Key keys.Public
	// Rekey gives the Host another private key and returns its public half.
	Rekey func() keys.Public
	// Go runs do on another goroutine that sees the same host. The test waits for it at its end.
	Go func(do func())
}

// Underlay is the interface that a Harness's host has, with its addresses and MTU.
var (
	UnderlayIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	UnderlayMTU = 1400
)

// RunHostContract tests what every Host must do, on fresh hosts from newHarness. It tests several at a time, each in a
// goroutine of its own.
func RunHostContract(t *testing.T, newHarness func(t *testing.T) Harness) {
	for name, run := range map[string]func(*contract){
		"an empty host becomes what is desired": (*contract).fromNothing,
		"a second application changes nothing":  (*contract).twice,
		"a restart finds everything right":      (*contract).adopt,
		"what others change is repaired":        (*contract).drifts,
		"the mesh changes":                      (*contract).moves,
		"the node gets another pod CIDR":        (*contract).readdress,
		"the node gets another key":             (*contract).rekey,
		"only what is stale is removed":         (*contract).stale,
		"what an earlier version left is gone":  (*contract).earlier,
		"a bridge is mended":                    (*contract).bridge,
		"one failure stops nothing else":        (*contract).failure,
		"one node costs the same in any mesh":   (*contract).cost,
		"others' changes poke":                  (*contract).watch,
		"own changes poke nobody":               (*contract).unprovoked,
		"peers are seen while watched":          (*contract).seen,
		"the underlay's MTU":                    (*contract).underlay,
		"leaks are counted":                     (*contract).leaks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(&contract{t: t, newHarness: newHarness, Harness: newHarness(t)})
		})
	}
}

// contract is one case of the suite.
type contract struct {
	t *testing.T
	Harness
	newHarness func(t *testing.T) Harness
}

func (c *contract) observe() mesh.State {
	c.t.Helper()
	return c.observation().State
}

// observation fails the test unless there is a status for each peer and no other.
func (c *contract) observation() mesh.Observation {
	c.t.Helper()
	o, err := c.Host.Observe(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var want []mesh.PeerStatus
	for _, p := range o.Peers {
		want = append(want, mesh.PeerStatus{PublicKey: p.PublicKey, Endpoint: p.Endpoint})
	}
	got := slices.Clone(o.Statuses)
	for i := range got {
		got[i].LastHandshake, got[i].Received, got[i].Sent = time.Time{}, 0, 0
	}
	if !slices.Equal(want, got) {
		c.t.Errorf("statuses %v, want %v", got, want)
	}
	return o
}

func (c *contract) apply(change mesh.Change) {
	c.t.Helper()
	if err := c.Host.Apply(c.t.Context(), change); err != nil {
		c.t.Fatal(err)
	}
}

// converge makes the host look like want, which is also what State.Apply predicts.
func (c *contract) converge(want mesh.State) {
	c.t.Helper()
	have := c.observe()
	change := mesh.Diff(want, have)
	c.apply(change)
	c.is(want)
	c.is(have.Apply(change))
}

// is fails the test unless the host looks like want.
func (c *contract) is(want mesh.State) {
	c.t.Helper()
	have := c.observe()
	if diff := cmp.Diff(wording(want, have), wording(have, have)); diff != "" {
		c.t.Errorf("host (-want +got)\n%s", diff)
	}
	if change := mesh.Diff(want, have); !change.Empty() {
		c.t.Errorf("still to change: %v", change.Lines())
	}
}

// wording returns the text of what can be compared: a device keeps no names, and desired states say nothing of a bridge
// that is absent and of sysctls that the mesh can do without.
func wording(s, have mesh.State) string {
	s.Peers = append([]mesh.Peer(nil), s.Peers...)
	for i := range s.Peers {
		s.Peers[i].Node = ""
	}
	s.Sysctls = nil
	if have.Bridge.Name == "" {
		s.Bridge = mesh.Bridge{}
	}
	return s.String()
}

// quiet fails the test if do writes anything.
func (c *contract) quiet(do func()) {
	c.t.Helper()
	before := c.Host.Operations()
	do()
	if diff := cmp.Diff(before, c.Host.Operations()); diff != "" {
		c.t.Errorf("writes although nothing differs (-before +after)\n%s", diff)
	}
}

// meddle changes the host as another process does.
func (c *contract) meddle(change mesh.Change) {
	c.t.Helper()
	if err := c.Meddler.Change(change); err != nil {
		c.t.Fatal("meddle: ", err)
	}
}
