package cni_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	types "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"warren.mesh/cni"
	"warren.mesh/mesh/meshtest"
)

// machine is a network namespace with the configuration and the real plugins installed, as a node has them.
type machine struct {
	configuration cni.Configuration
	runtime       *libcni.CNIConfig
	list          *libcni.NetworkConfigList
}

// newMachine moves this test's thread into a network namespace of its own. The thread is never unlocked: it ends, and
// the namespace with it, when the test does.
func newMachine(t *testing.T) *machine {
	t.Helper()
	runtime.LockOSThread()
	if _, err := netns.New(); err != nil {
		t.Fatal(err)
	}
	run(t, "ip", "link", "set", "lo", "up")
	// The bridge's IPv6 address is of no use to the node until no neighbour has claimed it for a second or two. On a real
	// node warren0 has it too, without that wait.
	run(t, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
	m := &machine{configuration: node(t)}
	configure(t, m.configuration, 1380)
	list, err := libcni.NetworkConfFromFile(m.configuration.Link())
	if err != nil {
		t.Fatal(err)
	}
	m.list = list
	plugins := cni.Plugins{From: buildPlugins(t), To: t.TempDir()}
	install(t, plugins)
	m.runtime = libcni.NewCNIConfigWithCacheDir([]string{plugins.To}, t.TempDir(), nil)
	return m
}

// pluginsEnv names the environment variable of the plugins' directory, for machines without Go.
const pluginsEnv = "WARREN_CNI_PLUGINS"

// buildPlugins builds the four at their pinned version, unless they are there: seconds, or nothing where they are in Go's
// cache.
func buildPlugins(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(pluginsEnv); dir != "" {
		return dir
	}
	dir := t.TempDir() + "/"
	build := exec.Command("go", "build", "-C", "plugins", "-trimpath", "-o", dir, "tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugins: %v\n%s", err, out)
	}
	return dir
}

// pod makes a network namespace and the runtime's idea of it, attached to nothing yet.
func pod(t *testing.T, name string) *libcni.RuntimeConf {
	t.Helper()
	namespace := fmt.Sprintf("warren-cni-%d-%s", os.Getpid(), name)
	run(t, "ip", "netns", "add", namespace)
	t.Cleanup(func() { run(t, "ip", "netns", "delete", namespace) })
	run(t, "ip", "-n", namespace, "link", "set", "lo", "up")
	return &libcni.RuntimeConf{ContainerID: name, NetNS: filepath.Join("/run/netns", namespace), IfName: "eth0"}
}

func (m *machine) attach(t *testing.T, pod *libcni.RuntimeConf) []netip.Addr {
	t.Helper()
	result, err := m.runtime.AddNetworkList(context.Background(), m.list, pod)
	if err != nil {
		t.Fatalf("attach %s: %v", pod.ContainerID, err)
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

func (m *machine) detach(t *testing.T, pod *libcni.RuntimeConf) {
	t.Helper()
	if err := m.runtime.DelNetworkList(context.Background(), m.list, pod); err != nil {
		t.Errorf("detach %s: %v", pod.ContainerID, err)
	}
}

// inside runs f in the pod, on a thread that is thrown away.
func inside[T any](pod *libcni.RuntimeConf, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer)
	go func() {
		runtime.LockOSThread()
		handle, err := netns.GetFromPath(pod.NetNS)
		if err == nil {
			err = netns.Set(handle)
		}
		if err != nil {
			answers <- answer{err: err}
			return
		}
		value, err := f()
		answers <- answer{value, err}
	}()
	a := <-answers
	return a.value, a.err
}

func run(t *testing.T, command ...string) {
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
	a, b := pod(t, "a"), pod(t, "b")
	addrs := m.attach(t, a)
	if diff := cmp.Diff([]string{"10.244.1.2", "fd00:10:244:1::2"}, texts(addrs)); diff != "" {
		t.Errorf("addresses of the first pod (-want +got):\n%s", diff)
	}
	m.attach(t, b)
	for _, addr := range addrs {
		listener, err := inside(a, func() (net.Listener, error) { return net.Listen("tcp", netip.AddrPortFrom(addr, 80).String()) })
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		connect := func() (struct{}, error) { return struct{}{}, connect(listener.Addr().String()) }
		if _, err := inside(b, connect); err != nil {
			t.Errorf("pod to pod: %v", err)
		}
		if _, err := connect(); err != nil {
			t.Errorf("node to pod: %v", err)
		}
	}
	if strays, err := m.configuration.Strays(podCIDRs[:1]); err != nil || !slices.Equal(texts(strays), []string{"fd00:10:244:1::2", "fd00:10:244:1::3"}) {
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
	web, client := pod(t, "web"), pod(t, "client")
	web.CapabilityArgs = map[string]any{
		"portMappings": []map[string]any{{"hostPort": 8000, "containerPort": 80, "protocol": "tcp"}},
	}
	addrs := m.attach(t, web)
	m.attach(t, client)
	listener, err := inside(web, func() (net.Listener, error) { return net.Listen("tcp", netip.AddrPortFrom(addrs[0], 80).String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connect := func() (struct{}, error) { return struct{}{}, connect("192.0.2.1:8000") }
	if _, err := inside(client, connect); err != nil {
		t.Fatalf("pod to host port: %v", err)
	}
	m.detach(t, web)
	if _, err := inside(client, connect); err == nil {
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
