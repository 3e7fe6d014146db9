package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/bundle"
	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// dialogue is a mesh of two nodes, a with two pods and b with one.
type dialogue struct {
	*lab.Lab
	a, b *lab.Node
	// client and neighbour are a's pods, server is b's.
	client, neighbour, server *lab.Pod
}

func newDialogue(t *testing.T, family lab.Family) dialogue {
	t.Helper()
	l := lab.Start(t, lab.Options{Family: family, Nodes: 2})
	captured(t, l)
	l.StartMesh(t)
	d := dialogue{Lab: l, a: l.Node(1), b: l.Node(2)}
	d.client, d.neighbour = d.a.AddPod(t, "a"), d.a.AddPod(t, "b")
	d.server = d.b.AddPod(t, "a")
	return d
}

// Whatever is removed from the way of a packet, on either node, `warren explain` names it, and a real packet does not
// arrive, in plain text neither. Once it is back, the packet arrives, and `warren explain` says so.
func TestPrivilegedExplain(t *testing.T) {
	meshtest.Privileged(t)
	t.Parallel()
	d := newDialogue(t, lab.Dual)
	for _, r := range d.removals(t) {
		t.Run(r.name, func(t *testing.T) { d.removed(t, r) })
	}
	t.Run("guard", func(t *testing.T) {
		const mendedByTheDaemon = "true"
		d.doubtful(t, "nft insert rule inet warren guard-forward drop", mendedByTheDaemon, explain.StepGuard)
	})
	t.Run("firewall-with-rules", func(t *testing.T) {
		d.doubtful(t, "nft add table inet closed && "+
			"nft 'add chain inet closed way { type filter hook forward priority 0; policy drop; }' && "+
			"nft add rule inet closed way ct state established,related accept", "nft delete table inet closed",
			explain.StepFirewall)
	})
	t.Run("policy", d.policy)
	t.Run("destinations", d.destinations)
	t.Run("usage", d.usage)
	t.Run("bugreport", d.bugReport)
}

// arrives asks the server at an address over TCP, for two seconds at most.
func arrives(from *host.Host, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _, err := ask(ctx, from, "tcp", netip.AddrPortFrom(to, traffic.EchoPort))
	return err
}

// explained is what `warren explain` says on a node of a connection to the echo server of an address.
func explained(t *testing.T, n *lab.Node, from, to string) (e explain.Explanation, code int) {
	t.Helper()
	out, code := n.Warren(t, "explain", from, to, fmt.Sprint(traffic.EchoPort), "-o", "json")
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatalf("%s: warren explain exits with %d: %v\n%s", n.Name, code, err, out)
	}
	return e, code
}

// wantPass waits until a packet arrives, and until `warren explain` says that it would on each of the nodes.
func wantPass(t *testing.T, from *lab.Pod, to netip.Addr, nodes ...*lab.Node) {
	t.Helper()
	lab.Wait(t, time.Minute, fmt.Sprintf("a packet from %s to %v to arrive", from.Name, to),
		func() error { return arrives(from.Host, to) })
	for _, n := range nodes {
		e, code := explained(t, n, from.Addr(to).String(), to.String())
		if e.Verdict != "would pass" || code != views.ExitWell || e.Source != status.SourceDaemon {
			t.Errorf("%s: %q, exit status %d, from source %s, of a packet that arrives:\n%s", n.Name, e.Verdict, code,
				e.Source, stepsOf(e))
		}
	}
}

// wantDropped wants a packet not to arrive, and `warren explain` to name the step. Steps before it may be unknown while
// no daemon answers.
func wantDropped(t *testing.T, n *lab.Node, from *lab.Pod, to netip.Addr, step string) {
	t.Helper()
	if err := arrives(from.Host, to); err == nil {
		t.Error("a packet has arrived")
	}
	e, code := explained(t, n, from.Addr(to).String(), to.String())
	i := slices.IndexFunc(e.Steps, func(c views.Check) bool { return c.Result == views.Fail })
	if i < 0 || e.Steps[i].Name != step || code != views.ExitFinding {
		t.Errorf("%s: exit status %d, %q, want it dropped at %q:\n%s", n.Name, code, e.Verdict, step, stepsOf(e))
	}
	t.Logf("%s: %s:\n%s", n.Name, e.Verdict, stepsOf(e))
}

func stepsOf(e explain.Explanation) (text string) {
	for i, s := range e.Steps {
		text += fmt.Sprintf("%d %s %s: %s\n", i+1, s.Result, s.Name, s.Detail)
	}
	return text
}

// removed removes a thing while the node's daemon, which would put it back, is stopped.
func (d dialogue) removed(t *testing.T, r removal) {
	wantPass(t, d.client, r.to, r.node)
	r.node.StopDaemon(t)
	r.node.MustExec(t, "sh", "-c", r.command)
	wantDropped(t, r.node, d.client, r.to, r.step)
	if r.back != "" {
		r.node.MustExec(t, "sh", "-c", r.back)
	}
	r.node.StartDaemon(t)
	r.node.WaitReady(t)
	wantPass(t, d.client, r.to, r.node)
}

// doubtful does something to what packets pass whose effect is not known, and so nothing is said of packets that meet
// it, although they do not arrive.
func (d dialogue) doubtful(t *testing.T, command, back, step string) {
	to := d.server.Addrs()[0]
	wantPass(t, d.client, to, d.a)
	d.a.StopDaemon(t)
	d.a.MustExec(t, "sh", "-c", command)
	if err := arrives(d.client.Host, to); err == nil {
		t.Error("a packet has arrived")
	}
	e, code := explained(t, d.a, d.client.Addr(to).String(), to.String())
	i := slices.IndexFunc(e.Steps, func(c views.Check) bool { return c.Name == step })
	if i < 0 || e.Steps[i].Result != views.Unknown || code != views.ExitUnknown {
		t.Errorf("exit status %d, %q:\n%s", code, e.Verdict, stepsOf(e))
	}
	d.a.MustExec(t, "sh", "-c", back)
	d.a.StartDaemon(t)
	d.a.WaitReady(t)
	wantPass(t, d.client, to, d.a)
}

// onlyFrom lets in to a pod what comes from another one to its echo server.
const onlyFrom = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-client}
spec:
  podSelector: {matchLabels: {pod: %[1]s}}
  ingress:
  - from: [{podSelector: {matchLabels: {pod: %[2]s}}}]
    ports: [{port: %[3]d, protocol: TCP}]
`

// policy withdraws a policy that lets a client in, while the daemons run.
func (d dialogue) policy(t *testing.T) {
	forgetPolicies(t, d.Lab, d.b)
	to := d.server.Addrs()[0]
	letting := fmt.Sprintf(onlyFrom, d.server.Object(), d.client.Object(), traffic.EchoPort)
	apply(t, d.Lab, d.b, isolating(d.server, "Ingress"), letting)
	wantPass(t, d.client, to, d.a, d.b)
	committed(t, d.b, func() { d.Kubectl(t, "", "delete", "networkpolicy", "from-client") })
	wantDropped(t, d.b, d.client, to, explain.StepPolicy)
	apply(t, d.Lab, d.b, letting)
	wantPass(t, d.client, to, d.a, d.b)
}

// destinations are the other kinds of them: another node, the own node, the outside, and a pod by its name.
func (d dialogue) destinations(t *testing.T) {
	for _, own := range d.a.Addrs() {
		other := d.b.Addr(own)
		wantPass(t, d.client, other, d.a, d.b)
		wantPass(t, d.client, own, d.a)
	}
	name := "default/" + d.client.Object()
	for _, to := range []string{"192.0.2.200", "2001:db8:ffff::1"} {
		if e, code := explained(t, d.a, name, to); e.Verdict != "would pass" || code != views.ExitWell {
			t.Errorf("to the outside: %q, exit status %d:\n%s", e.Verdict, code, stepsOf(e))
		}
	}
	e, _ := explained(t, d.a, name, d.server.Addrs()[1].String())
	if want := name + " " + d.client.Addr(d.server.Addrs()[1]).String(); e.From != want || e.Node != d.a.Name {
		t.Errorf("from %q on %q, want from %q", e.From, e.Node, want)
	}
}

func (d dialogue) usage(t *testing.T) {
	client, server := d.client.Addrs()[0].String(), d.server.Addrs()[0].String()
	for _, args := range [][]string{
		{client}, {"default/none", server}, {server, "198.51.100.7"}, {client, server, "80/tls"},
		{client, "2001:db8::1"},
	} {
		if out, code := d.a.Warren(t, append([]string{"explain"}, args...)...); code != views.ExitUsage {
			t.Errorf("%q: exit status %d\n%s", args, code, out)
		}
	}
}

// bugReport wants the node's own tables in its report, with and without a daemon, and its private key in no form.
func (d dialogue) bugReport(t *testing.T) {
	d.wantReport(t)
	d.a.StopDaemon(t)
	d.wantReport(t)
	d.a.StartDaemon(t)
	d.a.WaitReady(t)
}

func (d dialogue) wantReport(t *testing.T) {
	t.Helper()
	out, code := d.a.Warren(t, "bugreport")
	files, err := bundle.Read([]byte(out))
	if err != nil || code != views.ExitWell {
		t.Fatalf("warren bugreport exits with %d: %v", code, err)
	}
	content := map[string]string{}
	all := out
	for _, f := range files {
		content[f.Name] = string(f.Content)
		all += string(f.Content)
	}
	for name, want := range map[string]string{
		"routing.txt": "lookup 8787", "nftables inet warren.txt": "chain guard-forward",
		"nftables bridge warren.txt":      "table bridge warren",
		"nftables inet warren-policy.txt": "table inet warren-policy",
		"10-warren.conflist":              `"warren"`, "pods.json": d.client.Object(), "doctor.json": publicKey(t, d.b),
		"version": "Linux",
	} {
		if !strings.Contains(content[name], want) {
			t.Errorf("%s lacks %q; errors are %q:\n%s", name, want, content["errors.txt"], content[name])
		}
	}
	text := strings.TrimSpace(d.a.MustExec(t, "wg", "show", "warren0", "private-key"))
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(secret) != 32 {
		t.Fatalf("the private key has %d bytes: %v", len(secret), err)
	}
	digits := hex.EncodeToString(secret)
	for _, form := range []string{text, string(secret), digits, strings.ToUpper(digits)} {
		if strings.Contains(all, form) {
			t.Error("the private key is in the report")
		}
	}
}
