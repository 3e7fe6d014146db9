package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/probe"
	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
)

// narrowUnderlay drops, on a node, what a path of 1,300 bytes whose routers are silent does not carry: longer packets,
// and fragments and what routers say of both.
const narrowUnderlay = `
table inet narrow {
	chain in {
		type filter hook prerouting priority -400; policy accept;
		iifname "warren*" accept
		iifname "lo" accept
		meta length > 1300 drop
		ip frag-off & 0x1fff != 0 drop
		exthdr frag exists drop
		icmp type destination-unreachable drop
		icmpv6 type packet-too-big drop
	}
}`

// narrowed is the size of the largest packet that passes such a path inside the mesh: WireGuard pads packets to
// multiples of 16 bytes, and adds 60 with IPv4 outside and 80 with IPv6.
func narrowed(outside netip.Addr) int {
	if outside.Is4() {
		return (1300 - 60) / 16 * 16
	}
	return (1300 - 80) / 16 * 16
}

// pinged is what `warren ping` says on a node of all its peers.
func pinged(t *testing.T, n *lab.Node, args ...string) (d views.PingDocument, code int) {
	t.Helper()
	out, code := n.Warren(t, append([]string{"ping", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Kind != status.PingKind {
		t.Fatalf("%s: warren ping exits with %d: %v\n%s", n.Name, code, err, out)
	}
	return d, code
}

// `warren ping` finds what the path carries to the byte, with either family outside.
func TestPrivilegedPing(t *testing.T) {
	meshtest.Privileged(t)
	for name, family := range map[string]lab.Family{"ipv4": lab.Dual, "ipv6": lab.IPv6} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDialogue(t, family)
			if outside := wireguardEndpoint(t, d.a).Addr(); outside.Is6() != (family == lab.IPv6) {
				t.Fatalf("the tunnel's packets go to %v", outside)
			}
			d.ping(t)
		})
	}
}

// ping has node a ask node b: before and while the underlay between them carries less, and while b does not answer. No
// pod and nobody on the underlay is answered.
func (d dialogue) ping(t *testing.T) {
	mtu := mtu(t, d.a.Host, "warren0")
	d.wantPing(t, mtu, views.ExitWell)
	d.wantProof(t, views.OK, views.OK)
	d.wantAsked(t)
	d.strangers(t)
	outside := wireguardEndpoint(t, d.a).Addr()
	d.b.MustExec(t, "nft", narrowUnderlay)
	text := d.wantPing(t, narrowed(outside), views.ExitFinding)
	for _, want := range []string{
		fmt.Sprintf("W12: set --mtu (WARREN_MTU) to %d on all nodes", narrowed(outside)), "docs/runbooks.md#W12",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	d.wantProof(t, views.OK, views.Fail)
	for _, n := range []*lab.Node{d.a, d.b} {
		if err := n.Ready(); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	d.b.MustExec(t, "nft", "delete", "table", "inet", "narrow")
	d.wantPing(t, mtu, views.ExitWell)
	d.b.StopDaemon(t)
	if p, code := pinged(t, d.a, d.b.Name); code != views.ExitFinding || p.Peers[0].Lost() != 100 {
		t.Errorf("without an answer: exit status %d, %+v", code, p.Peers)
	}
	if p, code := pinged(t, d.b, "--all"); code != views.ExitUnknown || len(p.Peers) > 0 {
		t.Errorf("without a daemon: exit status %d, %+v", code, p.Peers)
	}
	d.wantProof(t, views.Fail, views.Unknown)
	d.b.StartDaemon(t)
	d.b.WaitReady(t)
	d.background(t, mtu)
	for _, args := range [][]string{{"ping"}, {"ping", "none"}, {"ping", d.a.Name}, {"ping", d.b.Name, "--all"}} {
		if out, code := d.a.Warren(t, args...); code != views.ExitUsage {
			t.Errorf("%q: exit status %d\n%s", args, code, out)
		}
	}
}

// background has a's daemon ask by itself, and wants its peers, checks and metrics to say what it finds.
func (d dialogue) background(t *testing.T, mtu int) {
	outside := wireguardEndpoint(t, d.a).Addr()
	d.a.StopDaemon(t)
	d.a.StartDaemon(t, "--probe-interval=1s")
	d.a.WaitReady(t)
	wantFound := func(pathMTU, code int) {
		t.Helper()
		lab.Wait(t, time.Minute, "probes in the background", func() error {
			out, _ := d.a.Warren(t, "peers", "-o", "json")
			var r status.Report
			decode(t, out, &r)
			if len(r.Peers) == 0 {
				return errors.New("the device has not been read yet")
			}
			least := int(d.a.Metrics(t)["warren_path_mtu_min_bytes"])
			if p := r.Peers[0].Probe; p == nil || p.PathMTU != pathMTU || least != pathMTU {
				return fmt.Errorf("%+v, least %d, want %d", p, least, pathMTU)
			}
			return nil
		})
		if out, got := d.a.Warren(t, "doctor", "--short"); got != code || strings.Contains(out, "W12:") != (code != 0) {
			t.Errorf("doctor: exit status %d, want %d:\n%s", got, code, out)
		}
	}
	wantFound(mtu, views.ExitWell)
	d.b.MustExec(t, "nft", narrowUnderlay)
	wantFound(narrowed(outside), views.ExitFinding)
	d.b.MustExec(t, "nft", "delete", "table", "inet", "narrow")
	wantFound(mtu, views.ExitWell)
	d.a.StopDaemon(t)
	d.a.StartDaemon(t)
	d.a.WaitReady(t)
}

// wantPing waits until b answers a's probes, and wants this path MTU and exit status. It returns the text of the
// command.
func (d dialogue) wantPing(t *testing.T, pathMTU, code int) string {
	t.Helper()
	lab.Wait(t, time.Minute, "an answer to a probe", func() error {
		if p, _ := pinged(t, d.a, "--count=1", d.b.Name); p.Peers == nil || p.Peers[0].Answered == 0 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	p, got := pinged(t, d.a, d.b.Name)
	if got != code || p.Peers[0].PathMTU != pathMTU || p.Peers[0].Lost() != 0 {
		t.Errorf("exit status %d, path MTU %d, %d%% lost, want %d and %d: %+v", got, p.Peers[0].PathMTU,
			p.Peers[0].Lost(), code, pathMTU, p)
	}
	text, _ := d.a.Warren(t, "ping", "--all")
	t.Logf("warren ping --all:\n%s", text)
	return text
}

// wantAsked has a's daemon ask its peers once for a report, and wants b's answer in it.
func (d dialogue) wantAsked(t *testing.T) {
	t.Helper()
	for _, command := range []string{"status", "doctor"} {
		out, _ := d.a.Warren(t, command, "--ask", "-o", "json")
		var r status.Report
		decode(t, out, &r)
		i := slices.IndexFunc(r.Peers, func(p status.Peer) bool { return p.Node == d.b.Name })
		if i < 0 || r.Unasked != "" || r.Peers[i].Asked == nil || r.Peers[i].Asked.Answered != 1 {
			t.Errorf("%s --ask: not asked %q, %+v", command, r.Unasked, r.Peers)
		}
	}
}

// wantProof has a's daemon prove that its peers answer, whatever sessions say, and that the paths carry the mesh's MTU.
func (d dialogue) wantProof(t *testing.T, sessions, mtu views.Result) {
	t.Helper()
	out, _ := d.a.Warren(t, "doctor", "--prove", "-o", "json")
	var r views.NodeDocument
	decode(t, out, &r)
	want := map[string]views.Result{"W07": sessions, "W12": mtu, "W15": views.OK}
	for _, c := range r.Checks {
		if result, named := want[c.ID]; named && c.Result != result {
			t.Errorf("%+v, want %s", c, result)
		}
	}
}

// wireguardEndpoint is where a node sends its only peer's packets.
func wireguardEndpoint(t *testing.T, n *lab.Node) netip.AddrPort {
	t.Helper()
	fields := strings.Fields(n.MustExec(t, "wg", "show", "warren0", "endpoints"))
	return netip.MustParseAddrPort(fields[1])
}

// strangers ask b's gateway as a daemon does, from the daemon's port: a pod of either node, and the other node from an
// address on the underlay. Nobody is answered.
func (d dialogue) strangers(t *testing.T) {
	for _, cidr := range d.b.PodCIDRs(t) {
		gateway := netip.AddrPortFrom(cidr.Addr().Next(), probe.Port)
		for _, from := range []*host.Host{d.client.Host, d.server.Host, d.a.Host} {
			local := netip.AddrPortFrom(from.Addr(gateway.Addr()), probe.Port)
			conn, err := from.DialFrom(t.Context(), local, "udp", gateway.String())
			if err != nil {
				t.Errorf("%s: %v", from.Name, err)
				continue
			}
			wantSilence(t, from.Name, conn)
			_ = conn.Close()
		}
	}
}

// wantSilence asks for a while, and wants no answer but perhaps the kernel's that nobody listens.
func wantSilence(t *testing.T, who string, conn net.Conn) {
	t.Helper()
	for range 5 {
		if _, err := conn.Write(probe.Encode(probe.Request, probe.Nonce{1}, 100)); err != nil {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 2000)); err == nil {
			t.Errorf("%s is answered with %d bytes", who, n)
		}
	}
}
