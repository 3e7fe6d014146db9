package userspace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab/namespace"
)

// nodes counts namespaces, for names that are free.
var nodes atomic.Int32

// node is a network namespace with, mostly, a device process in it.
type node struct {
	net *namespace.Net
	// iface is a name that no other test has: UAPI sockets of all namespaces are in one directory.
	iface  string
	key    keys.Private
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *syncBuffer
}

// newNode makes a namespace that goes with the test.
func newNode(t *testing.T) *node {
	t.Helper()
	meshtest.Privileged(t)
	key, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{net: namespace.New(t), iface: fmt.Sprintf("wu%d-%d", os.Getpid(), nodes.Add(1)), key: key}
	n.ip(t, "link set lo up")
	return n
}

// ip runs ip(8) in the node's namespace.
func (n *node) ip(t *testing.T, args string) string {
	t.Helper()
	return n.run(t, append([]string{"ip"}, strings.Fields(args)...)...)
}

// run runs a command in the node's namespace.
func (n *node) run(t *testing.T, args ...string) string {
	t.Helper()
	return n.net.Command(t, args[0], args[1:]...)
}

// connect joins two nodes by a veth pair of these names, with addresses like "192.0.2.1/24 2001:db8::1/64".
func connect(t *testing.T, a *node, aName, aAddrs string, b *node, bName, bAddrs string) {
	t.Helper()
	a.ip(t, fmt.Sprintf("link add %s type veth peer name %s netns %s", aName, bName, b.net.Path()))
	a.address(t, aName, aAddrs)
	b.address(t, bName, bAddrs)
}

// address adds addresses to an interface and sets it up.
func (n *node) address(t *testing.T, iface, addrs string) {
	t.Helper()
	for _, addr := range strings.Fields(addrs) {
		nodad := ""
		if netip.MustParsePrefix(addr).Addr().Is6() {
			nodad = " nodad"
		}
		n.ip(t, fmt.Sprintf("address add %s dev %s%s", addr, iface, nodad))
	}
	n.ip(t, "link set "+iface+" up")
}

// command is the device process of this node, to be started in its namespace.
func (n *node) command(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), deviceEnv+"="+n.iface)
	n.stderr = &syncBuffer{}
	cmd.Stderr = n.stderr
	if _, err := cmd.StdinPipe(); err != nil { // Its end is the end of the process.
		t.Fatal(err)
	}
	return cmd
}

// start runs the device process until it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.startAs(t, n.command(t))
}

// startAs runs the device process as this command until it is ready.
func (n *node) startAs(t *testing.T, as *exec.Cmd) {
	t.Helper()
	n.cmd = as
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.net.Do(n.cmd.Start); err != nil {
		t.Fatal(err)
	}
	cmd := n.cmd
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		_ = os.Remove(n.socket())
		if t.Failed() {
			t.Logf("log of %s:\n%s", n.iface, n.stderr)
		}
	})
	n.stdout = bufio.NewReader(stdout)
	n.ready(t)
}

// ready waits until the device process can be configured.
func (n *node) ready(t *testing.T) {
	t.Helper()
	if line, err := n.stdout.ReadString('\n'); err != nil || strings.TrimSpace(line) != readyLine {
		t.Fatalf("device process of %s: %q, %v: %s", n.iface, line, err, n.stderr)
	}
}

// refused runs the device process, which must fail, and returns what it prints.
func (n *node) refused(t *testing.T) string {
	t.Helper()
	err := n.net.Do(n.command(t).Run)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("device process of %s: %v, want exit code 1: %s", n.iface, err, n.stderr)
	}
	return n.stderr.String()
}

// stop sends a signal and waits for the process to end.
func (n *node) stop(t *testing.T, signal syscall.Signal) error {
	t.Helper()
	if err := n.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return n.cmd.Wait()
}

func (n *node) socket() string { return filepath.Join("/var/run/wireguard", n.iface+".sock") }

// configure sets the device as the daemon does, by wgctrl.
func (n *node) configure(t *testing.T, cfg wgtypes.Config) error {
	t.Helper()
	client, err := wgctrl.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return client.ConfigureDevice(n.iface, cfg)
}

// device reads the device by wgctrl.
func (n *node) device(t *testing.T) *wgtypes.Device {
	t.Helper()
	client, err := wgctrl.New()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dev, err := client.Device(n.iface)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

const testPort = 51820

// setUp sets key and port, and adds peers.
func (n *node) setUp(t *testing.T, peers ...wgtypes.PeerConfig) {
	t.Helper()
	port, private := testPort, wgtypes.Key(n.key.Reveal())
	if err := n.configure(t, wgtypes.Config{PrivateKey: &private, ListenPort: &port, Peers: peers}); err != nil {
		t.Fatal(err)
	}
}

// peer is the node as others configure it: reached at host, behind which are the addresses.
func (n *node) peer(host string, allowed ...string) wgtypes.PeerConfig {
	cfg := wgtypes.PeerConfig{PublicKey: wgtypes.Key(n.key.Public())}
	if host != "" {
		cfg.Endpoint = net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), testPort))
	}
	for _, text := range allowed {
		addr := netip.MustParseAddr(text)
		cfg.AllowedIPs = append(cfg.AllowedIPs, net.IPNet{IP: addr.AsSlice(),
			Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())})
	}
	return cfg
}

// ping sends this many pings at 50 a second, and fails if one is not answered.
func (n *node) ping(t *testing.T, count int, addr string) {
	t.Helper()
	out := n.run(t, "ping", "-q", "-n", "-c", fmt.Sprint(count), "-i", "0.02", "-W", "5", addr)
	if !strings.Contains(out, fmt.Sprintf(" %d received", count)) {
		t.Errorf("%s to %s: %s", n.iface, addr, out)
	}
}

// reach pings until there is an answer.
func (n *node) reach(t *testing.T, addr string) {
	t.Helper()
	waitUntil(t, n.iface+" reaches "+addr, func() bool {
		return n.net.Do(exec.Command("ping", "-q", "-n", "-c", "1", "-W", "1", addr).Run) == nil
	})
}

// inside runs fn in the node's namespace.
func (n *node) inside(t *testing.T, fn func() error) {
	t.Helper()
	if err := n.net.Do(fn); err != nil {
		t.Fatal(err)
	}
}

// transferPatience is for what takes a second at most, or breaks down to some kilobytes a second.
const transferPatience = 30 * time.Second

// transfer sends bytes by TCP from n to addr, which is another node's, and gives the time that it took.
func (n *node) transfer(t *testing.T, to *node, addr string, bytes int64) time.Duration {
	t.Helper()
	var l net.Listener
	to.inside(t, func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	})
	defer l.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			received <- 0
			return
		}
		defer c.Close()
		count, _ := io.Copy(io.Discard, c)
		received <- count
	}()
	var c net.Conn
	n.inside(t, func() (err error) {
		c, err = net.Dial("tcp", l.Addr().String())
		return err
	})
	if err := c.SetDeadline(time.Now().Add(transferPatience)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err := io.CopyN(c, zeros{}, bytes)
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatalf("%s to %s: %v", n.iface, addr, err)
	}
	if got := <-received; got != bytes {
		t.Fatalf("%s received %d bytes, want %d", to.iface, got, bytes)
	}
	return time.Since(start)
}

// zeros is an endless source of bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// waitUntil polls until so returns true, and fails after 30 seconds.
func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// answers reports whether a socket takes connections.
func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
