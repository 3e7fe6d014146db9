package pods

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warren.mesh/mesh/policy"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/readme"
)

var likes = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}

// The page's examples by what a person would conclude from its policies. On each node that a connection crosses its
// verdict counts.
func TestExamples(t *testing.T) {
	d := readDocument(t)
	c := d.cluster(t, plan)
	for _, e := range d.examples {
		c.Policies = e.policies
		for _, r := range e.rows {
			for _, like := range likes {
				client, server := c.addr(t, r.from, like), c.addr(t, r.to, like)
				if !client.IsValid() || !server.IsValid() {
					continue
				}
				allowed := true
				for _, n := range c.Nodes {
					d := policy.Judge(c.InputOf(n), policy.Connection{
						Client: client, Server: server, Protocol: policy.Protocol(r.network), Port: r.port,
					})
					allowed = allowed && d.Allowed
				}
				if allowed != r.passes {
					t.Errorf("%s: %v: allowed is %v", e.title, r, allowed)
				}
			}
		}
	}
}

// cluster has the page's pods, made by a function.
func (d document) cluster(t *testing.T, made func(t *testing.T, pods ...policy.Pod) *Cluster) *Cluster {
	t.Helper()
	c := made(t, d.pods...)
	for _, p := range d.pods {
		name := policy.Namespace{Name: p.Namespace}
		name.Labels = policy.NewLabels(map[string]string{"kubernetes.io/metadata.name": p.Namespace})
		if !slices.Contains(c.Namespaces, name) {
			c.Namespaces = append(c.Namespaces, name)
		}
	}
	return c
}

// plan is a cluster on paper.
func plan(_ *testing.T, pods ...policy.Pod) *Cluster {
	c := &Cluster{Nodes: []*Node{{Node: nodeOf(1), number: 1}, {Node: nodeOf(2), number: 2}}}
	for _, p := range pods {
		for _, n := range c.Nodes {
			if n.Name == p.Node {
				n.Pods = append(n.Pods, n.newPod(p))
			}
		}
	}
	return c
}

// The page's examples with packets, and then the commands by which it says what was refused.
func TestPrivilegedExamples(t *testing.T) {
	d := readDocument(t)
	c := d.cluster(t, built)
	served := map[string]bool{}
	for _, e := range d.examples {
		for _, r := range e.rows {
			c.serve(t, r, served)
		}
	}
	for _, e := range d.examples {
		c.Policies = e.policies
		if problems := c.Sync(); len(problems) > 0 {
			t.Errorf("%s: %v", e.title, problems)
		}
		var asking sync.WaitGroup
		for _, r := range e.rows {
			for _, like := range likes {
				asking.Go(func() { c.try(t, e.title, r, like) })
			}
		}
		asking.Wait()
	}
	showRefused(t, c)
}

// built is a cluster in namespaces.
func built(t *testing.T, pods ...policy.Pod) *Cluster {
	c := New(t, 2)
	for _, n := range c.Nodes {
		var here []policy.Pod
		for _, p := range pods {
			if p.Node == n.Name {
				here = append(here, p)
			}
		}
		n.Add(here...)
	}
	return c
}

// where is the namespace of an end of a connection.
func (c *Cluster) where(end string) *namespace.Net {
	for _, n := range c.Nodes {
		if n.Name == end {
			return n.Net
		}
		for _, p := range n.Pods {
			if p.Namespace+"/"+p.Name == end {
				return p.Net
			}
		}
	}
	return c.Outside
}

// serve has the row's server answer, once.
func (c *Cluster) serve(t *testing.T, r row, served map[string]bool) {
	t.Helper()
	for _, end := range []string{r.from, r.to} {
		if addr, err := netip.ParseAddr(end); err == nil && !served[end] {
			served[end] = true
			c.AddOutside(addr)
		}
	}
	where := c.where(r.to)
	key := r.to
	if where == c.Outside {
		key = "outside"
	}
	if key += fmt.Sprint(" ", r.port); !served[key] {
		served[key] = true
		Serve(t, where, r.port)
	}
}

// try makes a connection and compares.
func (c *Cluster) try(t *testing.T, title string, r row, like netip.Addr) {
	server, client := c.addr(t, r.to, like), c.addr(t, r.from, like)
	if !server.IsValid() || !client.IsValid() {
		return
	}
	q := Question{
		From: c.where(r.from), Network: r.network, To: netip.AddrPortFrom(server, r.port),
		Patience: 700 * time.Millisecond,
	}
	if c.where(r.from) == c.Outside {
		q.Source = client
	}
	if r.passes {
		q.Patience = 10 * time.Second
	}
	if got, err := q.Ask(t.Context()); err != nil || got != r.passes {
		t.Errorf("%s: %v over %v: answered is %v, %v", title, r, client, got, err)
	}
}

// showRefused runs the page's commands on the nodes, and looks for what was refused last.
func showRefused(t *testing.T, c *Cluster) {
	t.Helper()
	text, err := os.ReadFile("../../docs/network-policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, command := range readme.Parse(string(text)).Commands {
		if !command.OnNode {
			continue
		}
		for _, n := range c.Nodes {
			all.WriteString(n.Net.Command(t, "sh", "-c", command.Text))
		}
	}
	api, web := c.addr(t, "shop/api", likes[0]), c.addr(t, "shop/web", likes[0])
	for _, want := range []string{
		api.String() + " . 203.0.113.200 . tcp . 443", "203.0.113.10 . " + web.String() + " . tcp . 22",
		`comment "shop/api-out"`,
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not among\n%s", want, all.String())
		}
	}
}

// A request to a NodePort is judged with its own client, before the node puts its own address in its place, if it comes
// in at the pod's node; if at another node, with that node's first address.
func TestPrivilegedNodePort(t *testing.T) {
	c := New(t, 2)
	here, there := c.Nodes[0], c.Nodes[1]
	web := here.Add(policy.Pod{Namespace: "x", Name: "web"})[0]
	Serve(t, web.Net, 80)
	inside, beyond := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("198.51.100.10")
	c.AddOutside(inside)
	c.AddOutside(beyond)
	for _, n := range c.Nodes {
		n.do(func() error {
			namespace.Run(t, `nft add table ip proxy
nft add chain ip proxy services { type nat hook prerouting priority dstnat; }
nft add rule ip proxy services fib daddr type local tcp dport 30080 dnat to `+web.Addrs[0].String()+`:80
nft add chain ip proxy masq { type nat hook postrouting priority srcnat; }
nft add rule ip proxy masq ct status dnat snat to `+n.Gateways[0].String())
			return nil
		})
	}
	block := func(cidr string) policy.Policy {
		return policy.Policy{Namespace: "x", Name: "web", IsolatesIngress: true, Ingress: []policy.Rule{{
			AllPorts: true, Peers: []policy.Peer{{Block: &policy.Block{CIDR: netip.MustParsePrefix(cidr)}}},
		}}}
	}
	c.Namespaces = []policy.Namespace{{Name: "x"}}
	for _, step := range []struct {
		cidr   string
		client netip.Addr
		at     *Node
		passes bool
	}{
		{"203.0.113.0/24", inside, here, true},
		{"203.0.113.0/24", beyond, here, false},
		{"203.0.113.0/24", inside, there, false},
		{"192.0.2.2/32", inside, there, true},
		{"192.0.2.2/32", beyond, there, true},
		{"192.0.2.2/32", inside, here, false},
	} {
		c.Policies = []policy.Policy{block(step.cidr)}
		c.Sync()
		q := Question{
			From: c.Outside, Source: step.client, Network: "tcp", To: netip.AddrPortFrom(step.at.InternalIPs[0], 30080),
			Patience: 700 * time.Millisecond,
		}
		if step.passes {
			q.Patience = 10 * time.Second
		}
		if got, err := q.Ask(t.Context()); err != nil || got != step.passes {
			t.Errorf("%v at %s, with %s: answered is %v, %v", step.client, step.at.Name, step.cidr, got, err)
		}
	}
}
