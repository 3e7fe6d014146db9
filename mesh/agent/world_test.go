package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/agent"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
)

// addresses compares what netip keeps to itself.
var addresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{})

// machine is one node: its host, its place in the cluster and, while it runs, its daemon.
type machine struct {
	name        string
	api         *meshtest.API
	key         keys.Public
	ring        *ring
	host        *host
	attachments *attachments
	plugins     plugins
	cluster     *meshtest.Cluster
	agent       *agent.Agent
	log         *logbook
	config      mesh.Config
	// view, where not nil, changes what the daemon sees of the cluster.
	view func(c *meshtest.Cluster) agent.Cluster
	// inForce says whether network policies are in force; nil for a node that keeps none.
	inForce func() bool
	// policyCounters are those of network policies; nil for a node that keeps none.
	policyCounters func(ctx context.Context) (map[string]uint64, error)
	// events takes Events; nil has none told.
	events agent.Teller
	// probes are what probes of peers have found out; nil for a node that makes none.
	probes func() status.Probes
	// nodes are those that the agent told last.
	nodes atomic.Pointer[[]mesh.Node]
	// lost is what Config.Lost returns, if it has one.
	lost atomic.Value

	stop context.CancelFunc
	done chan struct{}
}

// newMachine is the node with number n: 192.0.2.N, with pods in 10.244.N.0/24, and the same in IPv6.
func newMachine(api *meshtest.API, n int) *machine {
	cfg := mesh.Defaults()
	cfg.MTU = 0
	cfg.ClusterCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/48")}
	m := &machine{
		name: name(n), api: api, key: key(n), ring: &ring{key: private(n)}, host: newHost(cfg, object(n).NodeIPs),
		log: &logbook{}, config: cfg,
	}
	m.attachments = &attachments{host: m.host}
	return m
}

func name(n int) string { return fmt.Sprintf("node-%04d", n) }

// private is the key of the node with number n, and key its public half.
func private(n int) keys.Private { return meshtest.Key(name(n)) }
func key(n int) keys.Public      { return private(n).Public() }

// unproven stands for the proof that meshtest.API sets when it knows the Node's UID.
var unproven = keys.Proof{1}

// object is the Node object of a node whose daemon has not run yet.
func object(n int) meshtest.Node {
	return meshtest.Node{
		Name: name(n),
		PodCIDRs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", n)),
			netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%x::/64", n)),
		},
		NodeIPs: []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", n)), netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n)),
		},
	}
}

// announced is the Node object of a node whose daemon runs elsewhere.
func announced(n int) meshtest.Node {
	o := object(n)
	self := mesh.Self{PublicKey: key(n), Proof: unproven, PodCIDRs: o.PodCIDRs, NodeIPs: o.NodeIPs}
	o.Key = private(n)
	o.Announcement = mesh.Announce(mesh.Defaults(), self)
	return o
}

// start starts the daemon, as often as it was stopped.
func (m *machine) start() {
	var running atomic.Pointer[agent.Agent] // others may change the cluster before it is there
	m.cluster = m.api.Follow(m.name, func() {
		if a := running.Load(); a != nil {
			a.Poke()
		}
	})
	var view agent.Cluster = m.cluster
	if m.view != nil {
		view = m.view(m.cluster)
	}
	m.agent = agent.New(agent.Config{
		Node: m.name, Mesh: m.config, Key: m.ring,
		Cluster: view, Host: m.host, Attachments: m.attachments, Plugins: &m.plugins, InForce: m.inForce,
		PolicyCounters:   m.policyCounters,
		Events:           m.events,
		Probes:           m.probes,
		Lost:             func() error { lost, _ := m.lost.Load().(error); return lost },
		Nodes:            func(nodes []mesh.Node) { m.nodes.Store(&nodes) },
		Link:             func() (agent.Link, error) { return agent.Link{MTU: 1420, Received: 3000, Sent: 4000}, nil },
		KeyWritten:       func() (time.Time, error) { return time.Unix(1_700_000_000, 0), nil },
		MassRemovalDelay: agent.DefaultMassRemovalDelay,
		Log:              m.log.logger(), Version: "v1", Backend: "kernel", BackendReason: "it is a test",
	})
	running.Store(m.agent)
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go func() { m.agent.Run(ctx); close(m.done) }()
}

// end stops the daemon and waits for it.
func (m *machine) end() {
	m.stop()
	<-m.done
}

// get asks the daemon's HTTP endpoints.
func (m *machine) get(path string) (code int, body string) {
	w := httptest.NewRecorder()
	handler := m.agent.Health()
	if path == "/metrics" {
		handler = m.agent.Metrics()
	}
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// cluster runs test with count machines in a mesh of their own, all started and settled.
func cluster(t *testing.T, count int, test func(t *testing.T, api *meshtest.API, machines []*machine)) {
	synctest.Test(t, func(t *testing.T) {
		var api meshtest.API
		var machines []*machine
		for n := 1; n <= count; n++ {
			api.Create(object(n))
			m := newMachine(&api, n)
			machines = append(machines, m)
			m.start()
		}
		settle()
		for _, m := range machines {
			m.log.read()
			m.host.activity()
			m.host.Initiated()
			m.cluster.Writes()
		}
		test(t, &api, machines)
		for _, m := range machines {
			m.end()
			if n := m.host.handshakes.Load(); n != 0 {
				t.Errorf("%s has ended, but not %d handshakes", m.name, n)
			}
		}
	})
}

// settle gives everything that is under way the time to end, which takes none in a synctest bubble.
func settle() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// logbook is what a daemon has logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) logger() *slog.Logger {
	timeless := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: timeless}))
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// read is what was logged since it was last asked for, one line each.
func (l *logbook) read() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(l.text.String()), "\n")
	l.text.Reset()
	if lines[0] == "" {
		return nil
	}
	return lines
}

// attachments is a CNI configuration that remembers what it was asked for.
type attachments struct {
	host *host

	mu       sync.Mutex
	podCIDRs []netip.Prefix
	mtu      int
	written  int
	early    bool
	strays   []netip.Addr
	err      error
	// hostPorts are the pods with host ports in IPv4.
	hostPorts map[string]string
	// rival is another configuration; delegates says that it refers to this one.
	rival     string
	delegates bool
	poke      func()
}

func (a *attachments) Rival() (file string, delegates bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rival, a.delegates, nil
}

func (a *attachments) Watch(ctx context.Context, poke func()) error {
	a.mu.Lock()
	a.poke = poke
	a.mu.Unlock()
	<-ctx.Done()
	return nil
}

// appears changes the other configuration.
func (a *attachments) appears(rival string, delegates bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rival, a.delegates = rival, delegates
	a.poke()
}

// plugins are those that somebody has replaced.
type plugins struct{ replaced []string }

func (p *plugins) Replaced() ([]string, error) { return p.replaced, nil }

func (p *plugins) Watch(ctx context.Context, poke func()) error {
	poke()
	<-ctx.Done()
	return nil
}

func (a *attachments) Configure(podCIDRs []netip.Prefix, mtu int) (bool, error) {
	programmed := len(a.host.now().Rules) > 0
	a.mu.Lock()
	defer a.mu.Unlock()
	a.early = a.early || !programmed
	if a.err != nil || a.mtu == mtu && fmt.Sprint(a.podCIDRs) == fmt.Sprint(podCIDRs) {
		return false, a.err
	}
	a.podCIDRs, a.mtu = podCIDRs, mtu
	a.written++
	return true, nil
}

func (a *attachments) Strays([]netip.Prefix) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.strays, nil
}

func (a *attachments) HostPorts(v6 bool) (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v6 {
		return nil, nil
	}
	return maps.Clone(a.hostPorts), nil
}

// setHostPorts changes which pods have host ports.
func (a *attachments) setHostPorts(pods map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hostPorts = pods
}

// set changes what the attachments find.
func (a *attachments) set(strays []netip.Addr, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strays, a.err = strays, err
}

// far is announced, for any number up to 65,535.
func far(n int) meshtest.Node {
	high, low := byte(n>>8), byte(n)
	o := meshtest.Node{
		Name:     name(n),
		PodCIDRs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, high, low, 0}), 24)},
		NodeIPs:  []netip.Addr{netip.AddrFrom4([4]byte{172, 16, high, low})},
	}
	self := mesh.Self{PublicKey: key(n), Proof: unproven, PodCIDRs: o.PodCIDRs, NodeIPs: o.NodeIPs}
	o.Key = private(n)
	o.Announcement = mesh.Announce(mesh.Defaults(), self)
	return o
}
