package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"warren.mesh/test/lab/namespace"
)

// EchoPort is where every Host answers: HTTP on TCP, datagrams on UDP, both with the address of who asks.
const EchoPort = 8080

// Host is anything with a network namespace of its own: a node, a pod, the outside, the control machine.
type Host struct {
	// Name is unique in the lab: node1, node1/a, outside, control.
	Name string

	mu    sync.Mutex
	addrs []netip.Addr
	// set is nil while the host is off.
	set *namespace.Set
	// ownNet says that the network namespace alone is this host's: a pod's.
	ownNet bool
	echo   *echo
	sink   *sink

	where place
	inbox *inbox
}

// place is where a host is in the network.
type place int

const (
	inMesh place = iota
	onUnderlay
	beyond
)

func newHost(name string, where place, addrs []netip.Addr) *Host {
	return &Host{Name: name, where: where, addrs: addrs, inbox: newInbox()}
}

// move puts the host into these namespaces and starts its servers there.
func (h *Host) move(set *namespace.Set) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set = set
	var err error
	if h.echo, err = serveEcho(set); err != nil {
		return fmt.Errorf("start the echo server of %s: %w", h.Name, err)
	}
	if h.sink, err = newSink(set, h.inbox); err != nil {
		return fmt.Errorf("start the receiver of %s: %w", h.Name, err)
	}
	return nil
}

// leave ends what this process does in the host's network.
func (h *Host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.echo != nil {
		h.echo.close()
	}
	if h.sink != nil {
		h.sink.close()
	}
	if h.ownNet && h.set != nil {
		_ = h.set.CloseNet()
	}
	h.echo, h.sink, h.set = nil, nil, nil
}

func (h *Host) namespaces() (*namespace.Set, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil {
		return nil, fmt.Errorf("%s is off", h.Name)
	}
	return h.set, nil
}

// Addrs are its own addresses, IPv4 first: InternalIPs of a node, pod IPs of a pod.
func (h *Host) Addrs() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.addrs)
}

// Addr is its address of the family of like, or the zero value: b.Addr(a) is how a reaches b.
func (h *Host) Addr(like netip.Addr) netip.Addr {
	for _, addr := range h.Addrs() {
		if addr.Is4() == like.Is4() {
			return addr
		}
	}
	return netip.Addr{}
}

// Echo is the address of the host's echo server of the family of like.
func (h *Host) Echo(like netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(like), EchoPort)
}

// Do runs f in the host's network namespace on an operating-system thread of its own, which ends with it. What f does
// in other goroutines happens elsewhere. Sockets opened by f can be used anywhere.
func (h *Host) Do(f func() error) error {
	set, err := h.namespaces()
	if err != nil {
		return err
	}
	return set.Do(f)
}

// Exec runs a command in all namespaces of the host (of a pod: its network namespace, the node's others) and returns
// standard output and error together. The error holds them too.
func (h *Host) Exec(name string, args ...string) (string, error) {
	return h.ExecContext(context.Background(), name, args...)
}

// ExecContext is Exec until ctx ends.
func (h *Host) ExecContext(ctx context.Context, name string, args ...string) (string, error) {
	var out bytes.Buffer
	err := h.run(ctx, command{path: name, args: args, stdout: &out, stderr: &out})
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &out)
	}
	return out.String(), err
}

// MustExec is Exec for setting a scene.
func (h *Host) MustExec(t TB, name string, args ...string) string {
	t.Helper()
	out, err := h.Exec(name, args...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

// command is what to run on a host.
type command struct {
	path  string
	args  []string
	input string

	stdout, stderr io.Writer
}

// output is the command's standard output; the error holds its standard error.
func (h *Host) output(ctx context.Context, c command) (string, error) {
	var stdout, stderr bytes.Buffer
	c.stdout, c.stderr = &stdout, &stderr
	err := h.run(ctx, c)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &stderr)
	}
	return stdout.String(), err
}

// run starts c in the host's namespaces and waits for its end.
func (h *Host) run(ctx context.Context, c command) error {
	set, err := h.namespaces()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, c.path, c.args...)
	child.Stdin, child.Stdout, child.Stderr = strings.NewReader(c.input), c.stdout, c.stderr
	child.Env, child.Dir = environment, "/"
	if err = set.Start(child); err == nil {
		err = child.Wait()
	}
	if err != nil {
		return fmt.Errorf("on %s: %s %s: %w", h.Name, c.path, strings.Join(c.args, " "), err)
	}
	return nil
}
