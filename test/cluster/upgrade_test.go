package cluster_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/cluster"
	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// pace is of every flow between two pods, in packets per second.
const pace = 1000

// upgrade shows that whatever is restarted of warren, pods talk on. The daemon alone costs no packet; the userspace
// device has no buffer for what arrives while it is away, so a restart of its container costs what was sent meanwhile
// to other nodes, and connections outlive that. That policies are given up or kept again costs nothing.
func upgrade(t *testing.T, c *cluster.Cluster) {
	hosts := adopt(t, c, cluster.Workload{Name: "load", Args: []string{"pause"}})
	neighbours := adopt(t, c, cluster.Workload{Name: "neighbour", Args: []string{"pause"}})
	near := []*host.Host{hosts[0], neighbours[0]}
	seen := c.CapturePlaintext(t)
	conversation := converse(t, hosts[0], hosts[1])
	step := func(name string, f func(*testing.T)) {
		if !t.Run(name, f) {
			look(t, c, slices.Concat(hosts, neighbours)...)
		}
	}

	step("daemon", func(t *testing.T) {
		flows := load(t, c, hosts)
		restartDaemons(t, c)
		wantNoneLost(t, flows)
	})
	step("to policies off", func(t *testing.T) {
		flows, nearby := load(t, c, hosts), load(t, c, near)
		c.Install(t, "WARREN_NETWORK_POLICY=off")
		report(t, flows)
		wantNoneLost(t, nearby)
		wantNoPolicies(t, c)
		c.Kubectl(t, denyIngress, "apply", "--filename=-")
		wantConnections(t, "policies are off", near, servers(t, c), true)
	})
	// This turns policies on again, with pods that were there before.
	step("README's overlay", func(t *testing.T) {
		pushReadmeImage(t, c)
		r := newReader(t, c)
		flows, nearby := load(t, c, hosts), load(t, c, near)
		for _, command := range r.section(t, "Install") {
			if strings.HasPrefix(command.Text, "kubectl ") {
				r.run(t, command)
			}
		}
		c.WaitRollout(t, "kube-system", "daemonset/warren")
		wantImage(t, c, readmeImage)
		report(t, flows)
		wantNoneLost(t, nearby)
		wantConnections(t, "policies are on", near, servers(t, c), false)
		wantAdopted(t, c)
		c.Kubectl(t, "", "delete", "networkpolicies", "--all")
	})

	if err := conversation.stop(); err != nil {
		t.Errorf("a TCP connection between pods broke: %v", err)
	}
	seen.WantNone(t)
}

// pushReadmeImage has every node know warren's image by the name that it has in the README.
func pushReadmeImage(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		n.MustExec(t, c.Ctr(), "--namespace=k8s.io", "images", "tag", image.WarrenName, readmeImage)
	}
}

// wantImage expects that the daemons run this image.
func wantImage(t *testing.T, c *cluster.Cluster, name string) {
	t.Helper()
	out := c.Kubectl(t, "", "--namespace=kube-system", "get", "daemonset/warren",
		"--output=jsonpath={.spec.template.spec.containers[*].image}")
	if want := name + " " + name; out != want {
		t.Errorf("images are %q, want %q", out, want)
	}
}

func wantNoneLost(t *testing.T, flows traffic.Flows) {
	t.Helper()
	for _, r := range flows.Stop() {
		t.Log(r)
		if r.Lost > 0 || r.Duplicated > 0 {
			t.Errorf("packets are lost: %v", r)
		}
	}
}

func load(t *testing.T, c *cluster.Cluster, hosts []*host.Host) traffic.Flows {
	t.Helper()
	flows := c.FlowsAmong(t, traffic.Options{Rate: pace}, hosts...)
	flows.WaitEstablished(t)
	return flows
}

// recovery bounds the time without packets while a device container is replaced: the end of the old one, the start of
// the new, and a handshake.
const recovery = 15 * time.Second

// report says what was lost, and expects that the flows went on.
func report(t *testing.T, flows traffic.Flows) {
	t.Helper()
	for _, r := range flows.Stop() {
		t.Log(r)
		if r.Received == 0 || r.LongestGap > recovery {
			t.Errorf("no packet for %v: %v", r.LongestGap, r)
		}
	}
}

// restartDaemons ends the daemon's process in every pod of warren's and waits until kubelets have started its
// containers again.
func restartDaemons(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	pods := c.Pods(t, "kube-system", "app.kubernetes.io/name=warren")
	for _, pod := range pods {
		// The connection ends with the container.
		_, _ = c.TryKubectl(t.Context(), "", "--namespace=kube-system", "exec", pod.Name, "--container=warren", "--",
			"sh", "-c", "kill 1")
	}
	for _, pod := range pods {
		lab.Wait(t, time.Minute, "restart of "+pod.Name, func() error { return restarted(t, c, pod) })
	}
}

// restarted is nil once the daemon's container, and no other, was started again and is ready.
func restarted(t *testing.T, c *cluster.Cluster, pod cluster.Pod) error {
	out := c.Kubectl(t, "", "--namespace=kube-system", "get", "pod", pod.Name, "--output=json")
	var object struct {
		Status struct {
			ContainerStatuses []struct {
				Name         string
				RestartCount int
				Ready        bool
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		return err
	}
	want := map[string]int{"warren": 1, "wireguard": 0}
	for _, s := range object.Status.ContainerStatuses {
		if s.RestartCount != want[s.Name] || !s.Ready {
			return fmt.Errorf("%s was restarted %d times, ready is %t", s.Name, s.RestartCount, s.Ready)
		}
	}
	return nil
}

// conversation is one TCP connection whose ends answer each other all the time.
type conversation struct {
	conn  net.Conn
	ended chan error
}

// converse connects two pods until stop is called.
func converse(t *testing.T, from, to *host.Host) *conversation {
	t.Helper()
	listener := to.Listen(t, "tcp", netip.AddrPortFrom(to.Addrs()[0], 7007).String())
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = io.Copy(conn, conn)
		}
	}()
	conn, err := from.Dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{conn: conn, ended: make(chan error, 1)}
	go func() { c.ended <- c.talk() }()
	return c
}

// talk sends a line and expects it back, as often as a flow has packets, until the connection is closed.
func (c *conversation) talk() error {
	back := bufio.NewReader(c.conn)
	tick := time.NewTicker(time.Second / pace)
	defer tick.Stop()
	for number := 0; ; number++ {
		<-tick.C
		line := fmt.Sprintln("line", number)
		_, err := io.WriteString(c.conn, line)
		if err == nil {
			var echo string
			if echo, err = back.ReadString('\n'); err == nil && echo != line {
				err = fmt.Errorf("sent %q, got %q", line, echo)
			}
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d lines: %w", number, err)
		}
	}
}

// stop ends the conversation and says whether it had broken before.
func (c *conversation) stop() error {
	closed := c.conn.Close()
	return errors.Join(<-c.ended, closed)
}
