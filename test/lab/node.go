package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/inside"
	"warren.mesh/test/lab/machine"
)

// Node is one machine of the cluster and its Node object. Its Addrs are its InternalIPs.
type Node struct {
	*host.Host

	lab *Lab
	// home says that it is behind the masquerading router.
	home bool
	// machine is replaced by a reboot.
	machine *machine.Machine
	// daemon and device are what was started last; nil before.
	daemon, device *host.Process
	// kubeconfig is the daemon's, once there is one: like its pod it outlives restarts, and needs no API server then.
	kubeconfig string
	pods       []*Pod
	// objects are the Pod objects of the node's pods by the pods' names, also of those that have not started.
	objects map[string]*corev1.Pod
}

// private are a node's own directories, kept over a reboot: what warren and container runtimes write outside /run.
var private = []string{"/etc/cni", "/opt/cni", "/var/lib/cni", "/var/lib/warren"}

// AddNode starts another node's machine and registers its Node object; neither device nor daemon is started.
func (l *Lab) AddNode(t TB, o NodeOptions) *Node {
	t.Helper()
	l.mu.Lock()
	l.joined++
	o = l.complete(o)
	n := &Node{Host: host.New(o.Name, o.IPs), lab: l, home: o.Home, objects: map[string]*corev1.Pod{}}
	l.mu.Unlock()
	if err := n.powerOn(); err != nil {
		t.Fatalf("add %s: %v", o.Name, err)
	}
	l.mu.Lock()
	l.nodes = append(l.nodes, n)
	l.mu.Unlock()
	if err := l.save(); err != nil {
		t.Fatalf("add %s: %v", o.Name, err)
	}
	if !l.options.Kubelets {
		n.CreateObject(t, o.PodCIDRs...)
	}
	return n
}

func (l *Lab) complete(o NodeOptions) NodeOptions {
	if o.Name == "" {
		o.Name = "node" + strconv.Itoa(l.joined)
	}
	network := underlayCIDRs
	if o.Home {
		network = homeCIDRs
	}
	if len(o.IPs) == 0 {
		o.IPs = l.options.Family.nodeIPs(network, l.joined)
	}
	return o
}

// powerOn starts the machine with the disk of its name and connects it.
func (n *Node) powerOn() (err error) {
	l := n.lab
	m := inside.Machine{Hostname: n.Name, Disk: filepath.Join(l.Dir, "disks", n.Name), Private: private}
	if l.options.Kubelets {
		m.Private = slices.Concat(private, kubeletPrivate)
		m.Cgroup = n.Cgroup()
	}
	if n.machine, err = l.boot(m); err != nil {
		return err
	}
	if err := n.machine.Set.Do(func() error { return sysctls(quiet, bare(l.options.RPFilter)) }); err != nil {
		return err
	}
	bridge := bridgeName
	if n.home {
		bridge = homeName
		if err := l.makeHome(); err != nil {
			return err
		}
	}
	cable := plug{port: n.Name, bridge: bridge, to: n.machine.Set, addrs: n.Addrs(), via: n.routers()}
	if err := l.connect(cable); err != nil {
		return err
	}
	return n.Move(n.machine.Set)
}

// bare returns the sysctls of a node that no daemon has been on. A new network namespace has the IPv4 ones of the host,
// which may forward for other reasons (Documentation/admin-guide/sysctl/net.rst, devconf_inherit_init_net).
func bare(f RPFilter) map[string]string {
	return map[string]string{
		"net/ipv4/ip_forward":              "0",
		"net/ipv4/conf/all/src_valid_mark": "0",
		"net/ipv4/conf/all/rp_filter":      f.String(),
		"net/ipv4/conf/default/rp_filter":  f.String(),
	}
}

// powerOff ends the machine and everything on it.
func (n *Node) powerOff() error {
	for _, p := range n.pods {
		p.Leave()
	}
	n.Leave()
	n.pods, n.daemon, n.device = nil, nil, nil
	err := errors.Join(n.machine.Kill(), machine.RemoveCgroups(n.Cgroup()))
	return errors.Join(err, n.lab.control.Set.Do(func() error { return unplug(n.Name) }))
}

// unplug removes a cable at once. The kernel would remove it some time after the namespace of its other end, which may
// also happen between the two calls here.
func unplug(port string) error {
	cable, err := netlink.LinkByName(port)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(cable); !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// routers are the node's default routers.
func (n *Node) routers() []netip.Addr {
	if n.home {
		return pick(n.lab.options.Family, homeRouterIPs)
	}
	return pick(n.lab.options.Family, controlIPs)
}

// Remove takes the machine away, all its namespaces at once, and deletes its Node object and its pods'.
func (n *Node) Remove(t TB) {
	t.Helper()
	if err := n.powerOff(); err != nil {
		t.Fatalf("remove %s: %v", n.Name, err)
	}
	n.DeleteObject(t)
	n.deletePodObjects(t)
	l := n.lab
	l.mu.Lock()
	l.nodes = slices.DeleteFunc(l.nodes, func(other *Node) bool { return other == n })
	l.mu.Unlock()
	if err := l.save(); err != nil {
		t.Fatalf("remove %s: %v", n.Name, err)
	}
}

// Reboot ends every process and namespace of the node (pods too) and starts the machine again: disk kept, /run lost.
// Neither device nor daemon is started.
func (n *Node) Reboot(t TB) {
	t.Helper()
	if err := errors.Join(n.powerOff(), n.powerOn(), n.lab.save()); err != nil {
		t.Fatalf("reboot %s: %v", n.Name, err)
	}
}

// SetIPs changes the node's underlay addresses, on its interface and then in its Node object, as a new DHCP lease
// would.
func (n *Node) SetIPs(t TB, addrs ...netip.Addr) {
	t.Helper()
	if err := n.Do(func() error { return n.readdress(addrs) }); err != nil {
		t.Fatalf("change the addresses of %s: %v", n.Name, err)
	}
	n.SetAddrs(addrs)
	n.updateStatus(t)
}

func (n *Node) readdress(addrs []netip.Addr) error {
	nic, err := netlink.LinkByName(nicName)
	if err != nil {
		return err
	}
	for _, old := range n.Addrs() {
		if slices.Contains(addrs, old) {
			continue
		}
		a, err := onLink(old)
		if err != nil {
			return err
		}
		if err := netlink.AddrDel(nic, a); err != nil {
			return fmt.Errorf("remove address %v: %w", old, err)
		}
	}
	if err := addressed(nicName, addrs); err != nil {
		return err
	}
	// The routes went with the addresses.
	return defaultRoutes(n.routers())
}
