package cni_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"

	"warren.mesh/cni"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// machine is a network namespace with the configuration and the real plugins installed, as a node has them.
type machine struct {
	*namespace.Net
	configuration cni.Configuration
	runtime       *libcni.CNIConfig
	list          *libcni.NetworkConfigList
	// plugins is their directory.
	plugins string
}

// newMachine moves this test into a network namespace of its own.
func newMachine(t testing.TB) *machine {
	t.Helper()
	// Go may have to fetch what it builds, which it cannot in there.
	built := buildPlugins(t)
	net := namespace.Enter(t)
	run(t, "ip", "link", "set", "lo", "up")
	// The bridge's IPv6 address is of no use to the node until no neighbour has claimed it for a second or two. On a
	// real node warren0 has it too, without that wait.
	run(t, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
	m := &machine{Net: net, configuration: node(t)}
	configure(t, m.configuration, 1380)
	m.load(t)
	plugins := cni.Plugins{From: built, To: t.TempDir()}
	install(t, plugins)
	m.plugins = plugins.To
	m.configuration.CacheDir = t.TempDir()
	m.runtime = libcni.NewCNIConfigWithCacheDir([]string{plugins.To}, m.configuration.CacheDir, nil)
	return m
}

// load reads the configuration, as a runtime does when it has changed.
func (m *machine) load(t testing.TB) {
	t.Helper()
	list, err := libcni.NetworkConfFromFile(m.configuration.Link())
	if err != nil {
		t.Fatal(err)
	}
	m.list = list
}

// pluginsEnv names the environment variable of the plugins' directory, for machines without Go.
const pluginsEnv = "WARREN_CNI_PLUGINS"

// buildPlugins builds all of them, those of others at their pinned version, unless they are there: seconds, or nothing
// where they are in Go's cache.
func buildPlugins(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(pluginsEnv); dir != "" {
		return dir
	}
	dir := t.TempDir() + "/"
	for module, pkg := range map[string]string{"plugins": "tool", "..": "./cmd/warren-cni"} {
		build := exec.Command("go", "build", "-C", module, "-trimpath", "-o", dir, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the plugins: %v\n%s", err, out)
		}
	}
	return dir
}

// pod is a network namespace and what a runtime tells the plugins of it.
type pod struct {
	*namespace.Net
	conf *libcni.RuntimeConf
}

// newPod makes a pod that is attached to nothing yet.
func newPod(t testing.TB, name string) pod {
	t.Helper()
	net := namespace.New(t)
	net.Command(t, "ip", "link", "set", "lo", "up")
	return pod{net, &libcni.RuntimeConf{ContainerID: name, NetNS: net.Path(), IfName: "eth0"}}
}

func (m *machine) attach(t testing.TB, pod pod) []netip.Addr {
	t.Helper()
	result, err := m.runtime.AddNetworkList(context.Background(), m.list, pod.conf)
	if err != nil {
		t.Fatalf("attach %s: %v", pod.conf.ContainerID, err)
	}
	attached, err := types.NewResultFromResult(result)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []netip.Addr
	for _, ip := range attached.IPs {
		addr, _ := netip.AddrFromSlice(ip.Address.IP)
		addrs = append(addrs, addr.Unmap())
	}
	return addrs
}

func (m *machine) detach(t testing.TB, pod pod) {
	t.Helper()
	if err := m.runtime.DelNetworkList(context.Background(), m.list, pod.conf); err != nil {
		t.Errorf("detach %s: %v", pod.conf.ContainerID, err)
	}
}

// listen listens in the pod until the test ends.
func (p pod) listen(t testing.TB, addr netip.Addr, port uint16) (l net.Listener) {
	t.Helper()
	err := p.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func run(t testing.TB, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// Two pods of both families get an address each, by the installed configuration and plugins, and talk to each other and
// to the node; detached, they leave no reservation.
func TestPrivilegedAttach(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	if err := m.runtime.GetStatusNetworkList(context.Background(), m.list); err != nil {
		t.Errorf("STATUS of CNI 1.1: %v", err)
	}
	a, b := newPod(t, "a"), newPod(t, "b")
	addrs := m.attach(t, a)
	if diff := cmp.Diff([]string{"10.244.1.2", "fd00:10:244:1::2"}, texts(addrs)); diff != "" {
		t.Errorf("addresses of the first pod (-want +got):\n%s", diff)
	}
	m.attach(t, b)
	for _, addr := range addrs {
		listener := a.listen(t, addr, 80)
		connect := func() error { return connect(listener.Addr().String()) }
		if err := b.Do(connect); err != nil {
			t.Errorf("pod to pod: %v", err)
		}
		if err := connect(); err != nil {
			t.Errorf("node to pod: %v", err)
		}
	}
	if strays, err := m.configuration.Strays(podCIDRs[:1]); err != nil ||
		!slices.Equal(texts(strays), []string{"fd00:10:244:1::2", "fd00:10:244:1::3"}) {
		t.Errorf("strays of an assignment without IPv6: %v, %v", strays, err)
	}
	m.detach(t, a)
	m.detach(t, b)
	if strays, err := m.configuration.Strays(nil); err != nil || len(strays) > 0 {
		t.Errorf("reservations after all were detached: %v, %v", strays, err)
	}
}

// A host port leads to the pod on a host that has nft and, as the plugin decides, on one that has iptables.
func TestPrivilegedHostPort(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	run(t, "ip", "address", "add", "192.0.2.1/32", "dev", "lo")
	web, client := newPod(t, "web"), newPod(t, "client")
	web.conf.CapabilityArgs = map[string]any{
		"portMappings": []map[string]any{{"hostPort": 8000, "containerPort": 80, "protocol": "tcp"}},
	}
	addrs := m.attach(t, web)
	m.attach(t, client)
	web.listen(t, addrs[0], 80)
	connect := func() error { return connect("192.0.2.1:8000") }
	if err := client.Do(connect); err != nil {
		t.Fatalf("pod to host port: %v", err)
	}
	m.detach(t, web)
	if err := client.Do(connect); err == nil {
		t.Error("the host port is still open after its pod was detached")
	}
}

// connect makes a TCP connection from this thread's network namespace and ends it.
func connect(address string) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func texts(addrs []netip.Addr) []string {
	var all []string
	for _, addr := range addrs {
		all = append(all, addr.String())
	}
	return all
}
