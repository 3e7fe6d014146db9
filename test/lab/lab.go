package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/inside"
	"warren.mesh/test/lab/machine"
	"warren.mesh/test/lab/pki"
	"warren.mesh/test/lab/programs"
	"warren.mesh/test/lab/traffic"
)

// Lab is one running cluster.
type Lab struct {
	// Outside is a host beyond the underlay's router, reachable from the nodes only: what pods reach by masquerade.
	Outside *host.Host
	// Control is the machine of the API server, with the underlay's bridge and router.
	Control *host.Host
	// Dir holds logs, disks, certificates and kubeconfigs.
	Dir string

	options   Options
	programs  *programs.Programs
	control   *machine.Machine
	outside   *machine.Machine
	authority *pki.Authority
	servers   map[string]*host.Process
	config    *rest.Config
	core      *corev1.CoreV1Client
	pacer     *traffic.Pacer

	mu     sync.Mutex
	nodes  []*Node
	joined int
	// unreported is what could not be written to the API server while it was away.
	unreported []func(context.Context) error
	// captures are those that were started, stopped ones too.
	captures []*capture.Capture
}

// Start builds what is missing, starts a lab and its nodes' machines, but neither devices nor daemons, and closes it
// when the test ends. Logs are kept, and their place is logged, when the test has failed.
func Start(t TB, o Options) *Lab {
	t.Helper()
	o = o.complete(t.Name())
	l := &Lab{options: o, Dir: directory(o.Name), servers: map[string]*host.Process{}, pacer: traffic.NewPacer()}
	t.Cleanup(func() { l.end(t) })
	if err := l.start(t); err != nil {
		t.Fatalf("start lab %s: %v", o.Name, err)
	}
	for range o.Nodes {
		l.AddNode(t, NodeOptions{})
	}
	return l
}

func (l *Lab) start(t TB) error {
	if err := Down(l.options.Name); err != nil {
		return err
	}
	for _, dir := range []string{"logs", "disks", "bin"} {
		if err := os.MkdirAll(filepath.Join(l.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	var err error
	l.programs, err = programs.Prepare(t.Context(), programs.Request{Dir: l.Dir, Kubelets: l.options.Kubelets,
		Progress: t.Logf})
	if err != nil {
		return err
	}
	if err := l.startUnderlay(); err != nil {
		return err
	}
	return l.startControlPlane(t.Context())
}

// startUnderlay starts the control machine and the outside, and the networks between them.
func (l *Lab) startUnderlay() (err error) {
	if l.control, err = l.boot(inside.Machine{Hostname: "control"}); err != nil {
		return err
	}
	if err := l.makeUnderlay(); err != nil {
		return err
	}
	if l.outside, err = l.boot(inside.Machine{Hostname: "outside"}); err != nil {
		return err
	}
	f := l.options.Family
	cable := plug{port: "outside", to: l.outside.Set, addrs: pick(f, outsideIPs), via: pick(f, routerIPs)}
	if err := l.connect(cable); err != nil {
		return err
	}
	l.Control, l.Outside = host.New("control", pick(f, controlIPs)), host.New("outside", cable.addrs)
	return errors.Join(l.Control.Move(l.control.Set), l.Outside.Move(l.outside.Set), l.save())
}

// boot starts a machine, whose log is called like it.
func (l *Lab) boot(m inside.Machine) (*machine.Machine, error) {
	return machine.Boot{Program: l.programs.Lab, Machine: m, Log: l.Log(m.Hostname)}.Start()
}

// Log is the path of the log of the machine or program with this name.
func (l *Lab) Log(name string) string { return filepath.Join(l.Dir, "logs", name+".log") }

// Nodes are the nodes in the order in which they joined, without those that were removed.
func (l *Lab) Nodes() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Node(nil), l.nodes...)
}

// Node is the node called "node" + number; it panics where there is none.
func (l *Lab) Node(number int) *Node {
	name := "node" + strconv.Itoa(number)
	for _, n := range l.Nodes() {
		if n.Name == name {
			return n
		}
	}
	panic(fmt.Sprintf("lab %s has no %s", l.options.Name, name))
}

// ClusterCIDRs are the ranges that pod CIDRs come from, one a family: 10.244.0.0/16 and fd00:10:244::/48.
func (l *Lab) ClusterCIDRs() []netip.Prefix { return pick(l.options.Family, clusterCIDRs) }

// ServiceCIDRs are the ranges of Services, one a family: 10.96.0.0/16 and fd00:10:96::/112.
func (l *Lab) ServiceCIDRs() []netip.Prefix { return pick(l.options.Family, serviceCIDRs) }

// Config is the administrator's way to the API server from this process; connections are opened in the lab's network.
func (l *Lab) Config() *rest.Config { return rest.CopyConfig(l.config) }

// Core is the administrator's client.
func (l *Lab) Core() corev1.CoreV1Interface { return l.core }
