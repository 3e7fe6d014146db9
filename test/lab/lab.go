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

	"warren.mesh/test/lab/inside"
	"warren.mesh/test/lab/pki"
)

// Lab is one running cluster.
type Lab struct {
	// Outside is a host beyond the underlay's router, reachable from the nodes only: what pods reach by masquerade.
	Outside *Host
	// Control is the machine of the API server, with the underlay's bridge and router.
	Control *Host
	// Dir holds logs, disks, certificates and kubeconfigs.
	Dir string

	options   Options
	programs  *programs
	control   *machine
	outside   *machine
	authority *pki.Authority
	servers   map[string]*process
	config    *rest.Config
	core      *corev1.CoreV1Client
	pacer     *pacer

	mu     sync.Mutex
	nodes  []*Node
	joined int
	flows  uint32
	// captures are those that run.
	captures []*Capture
}

// Start builds what is missing, starts a lab and its nodes' machines, but neither devices nor daemons, and closes it when
// the test ends. Logs are kept, and their place is logged, when the test has failed.
func Start(t TB, o Options) *Lab {
	t.Helper()
	o = o.complete(t.Name())
	l := &Lab{options: o, Dir: directory(o.Name), servers: map[string]*process{}, pacer: newPacer()}
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
	if l.programs, err = prepare(t.Context(), l.Dir, t.Logf); err != nil {
		return err
	}
	if err := l.startUnderlay(); err != nil {
		return err
	}
	return l.startControlPlane(t.Context())
}

// startUnderlay starts the control machine and the outside, and the networks between them.
func (l *Lab) startUnderlay() (err error) {
	control := boot{program: l.programs.lab, log: l.logFile("control")}
	control.machine = inside.Machine{Hostname: "control"}
	if l.control, err = control.start(); err != nil {
		return err
	}
	if err := l.makeUnderlay(); err != nil {
		return err
	}
	outside := boot{program: l.programs.lab, log: l.logFile("outside")}
	outside.machine = inside.Machine{Hostname: "outside"}
	if l.outside, err = outside.start(); err != nil {
		return err
	}
	f := l.options.Family
	cable := plug{port: "outside", to: l.outside.set, addrs: pick(f, outsideIPs), via: pick(f, routerIPs)}
	if err := l.connect(cable); err != nil {
		return err
	}
	l.Control, l.Outside = newHost("control", beyond, pick(f, controlIPs)), newHost("outside", beyond, cable.addrs)
	return errors.Join(l.Control.move(l.control.set), l.Outside.move(l.outside.set), l.save())
}

// end is Close as a test's last act.
func (l *Lab) end(t TB) {
	t.Helper()
	if l.options.Keep && !t.Failed() {
		if err := l.keep(); err != nil {
			t.Errorf("keep lab %s: %v", l.options.Name, err)
		}
		return
	}
	if err := l.stop(); err != nil {
		t.Errorf("close lab %s: %v", l.options.Name, err)
	}
	if t.Failed() {
		t.Logf("the lab's logs are in %s", filepath.Join(l.Dir, "logs"))
		return
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		t.Errorf("close lab %s: %v", l.options.Name, err)
	}
}

// Close ends every process of the lab and removes what it left. It may be called twice.
func (l *Lab) Close() error { return errors.Join(l.stop(), os.RemoveAll(l.Dir)) }

// stop ends everything and keeps the files.
func (l *Lab) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.stop()
	for _, c := range l.captures {
		c.detach()
	}
	l.captures = nil
	for _, h := range l.hosts() {
		h.leave()
	}
	var errs []error
	for _, m := range l.machines() {
		errs = append(errs, m.kill())
	}
	l.control, l.outside, l.nodes = nil, nil, nil
	return errors.Join(errs...)
}

// keep has all machines outlive this process.
func (l *Lab) keep() error {
	var errs []error
	for _, m := range l.machines() {
		errs = append(errs, m.keep())
	}
	return errors.Join(errs...)
}

// machines are those that run, by name.
func (l *Lab) machines() map[string]*machine {
	all := map[string]*machine{}
	for _, n := range l.nodes {
		all[n.Name] = n.machine
	}
	if l.control != nil {
		all["control"] = l.control
	}
	if l.outside != nil {
		all["outside"] = l.outside
	}
	return all
}

// hosts are all but the pods.
func (l *Lab) hosts() []*Host {
	var hosts []*Host
	for _, n := range l.nodes {
		hosts = append(hosts, n.Host)
		for _, p := range n.pods {
			hosts = append(hosts, p.Host)
		}
	}
	for _, h := range []*Host{l.Outside, l.Control} {
		if h != nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

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

// Build builds what a lab needs and the cache does not have, warren itself included.
func Build(ctx context.Context, progress func(format string, args ...any)) error {
	dir, err := os.MkdirTemp("", "warren-lab-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := prepare(ctx, dir, progress)
	if err != nil {
		return err
	}
	_, err = p.warren(ctx)
	return err
}
