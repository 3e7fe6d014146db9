package explain_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
	"warren.mesh/test/golden"
)

var (
	now       = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	web       = netip.MustParseAddr("10.244.1.7")
	cache     = netip.MustParseAddr("10.244.1.8")
	db        = netip.MustParseAddr("10.244.2.9")
	nodeA     = netip.MustParseAddr("192.0.2.1")
	nodeB     = netip.MustParseAddr("192.0.2.2")
	elsewhere = netip.MustParseAddr("198.51.100.7")
	cluster   = netip.MustParsePrefix("10.244.0.0/16")
	podsOfA   = netip.MustParsePrefix("10.244.1.0/24")
	podsOfB   = netip.MustParsePrefix("10.244.2.0/24")
)

// facts are of node-a, which is well, about a packet from shop/web-0 to a pod of node-b.
func facts() explain.Facts {
	allowed := true
	return explain.Facts{
		Node: "node-a", Source: status.SourceDaemon, ObservedAt: now, Link: "warren0", Bridge: "warren-br0",
		From:  pod("shop/web-0", web),
		To:    explain.End{Addr: db},
		Forth: &explain.Route{Link: "warren0", Table: mesh.TablePods},
		Back:  &explain.Route{Link: "warren-br0", Table: mesh.TableMain},
		Rules: []mesh.Rule{
			{Table: mesh.TableLocal}, {To: podsOfA, Table: mesh.TableMain}, {To: cluster, Table: mesh.TablePods},
			{Mark: 0x800000, Mask: 0x800000, Table: mesh.TableMain}, {From: cluster, Table: mesh.TableNodes},
			{Incoming: "warren0", Table: mesh.TableNodes},
		},
		Routes: []mesh.Route{
			{Table: mesh.TablePods, Destination: podsOfB, Link: "warren0"},
			{Table: mesh.TablePods, Destination: cluster},
			{Table: mesh.TableNodes, Destination: netip.PrefixFrom(nodeB, 32), Link: "warren0"},
			{Table: mesh.TableNodes, Destination: netip.PrefixFrom(nodeB, 32), Metric: mesh.MetricLast},
			{Table: mesh.TableMain, Destination: cluster, Metric: mesh.MetricLast},
		},
		Guard: doctor.GuardWhole,
		Peers: []status.Peer{{
			Node: "node-b", State: mesh.PeerConnected, PublicKey: keys.Public{1},
			Endpoint:   netip.AddrPortFrom(nodeB, 51820),
			AllowedIPs: []netip.Prefix{podsOfB, netip.PrefixFrom(nodeB, 32)},
		}},
		Policies:  explain.Policies{Allowed: &allowed, Reason: "let through: by the policies"},
		Firewalls: []explain.Firewall{},
	}
}

func pod(name string, ip netip.Addr) explain.End {
	return explain.End{Addr: ip, Pod: name, Port: "veth-" + name[len(name)-1:], Master: "warren-br0", Up: true}
}

// inward are of node-b's point of view of an answer's like: a packet from node-b's pod to shop/web-0.
func inward() explain.Facts {
	f := facts()
	f.From, f.To, f.Forth, f.Back = f.To, f.From, f.Back, f.Forth
	return f
}

func names(steps []view.Check) (all []string) {
	for _, s := range steps {
		all = append(all, s.Name)
	}
	return all
}

// Each kind of destination has its own steps, and all are well on a node that is.
func TestSteps(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*explain.Facts)
		want   string
	}{
		"other node's pod": {
			func(*explain.Facts) {}, "attachment policy rule table route guard firewall peer session way back",
		},
		"other node": {func(f *explain.Facts) {
			f.To.Addr = nodeB
		}, "attachment policy rule table route guard firewall peer session way back"},
		"pod of the same node": {func(f *explain.Facts) {
			f.To, f.Forth = pod("shop/cache-0", cache), f.Back
		}, "attachment policy rule route firewall attachment"},
		"pod of the same node, without policies": {func(f *explain.Facts) {
			f.To, f.Policies = pod("shop/cache-0", cache), explain.Policies{Off: true}
			f.Forth, f.Back = &explain.Route{}, &explain.Route{}
		}, "attachment policy attachment"},
		"the own node": {func(f *explain.Facts) {
			f.To = explain.End{Addr: nodeA, Own: true}
			f.Forth = &explain.Route{Link: "lo", Table: mesh.TableLocal}
		}, "attachment policy route firewall"},
		"outside": {func(f *explain.Facts) {
			f.To.Addr, f.Forth = elsewhere, &explain.Route{Link: "eth0", Table: mesh.TableMain}
		}, "attachment policy route guard firewall"},
		"from another node's pod": {func(f *explain.Facts) {
			*f = inward()
		}, "peer session guard firewall policy way back rule route attachment"},
		"from another node's pod to the node": {func(f *explain.Facts) {
			*f = inward()
			f.To, f.Forth = explain.End{Addr: nodeA, Own: true}, &explain.Route{Link: "lo", Table: mesh.TableLocal}
		}, "peer session guard firewall way back route"},
		"from the node to its pod": {func(f *explain.Facts) {
			f.To, f.From, f.Forth = f.From, explain.End{Addr: nodeA, Own: true}, f.Back
		}, "policy rule route attachment"},
		"from the node to another's pod": {func(f *explain.Facts) {
			f.From, f.Back = explain.End{Addr: nodeA, Own: true}, &explain.Route{Link: "lo", Table: mesh.TableLocal}
		}, "rule table route guard firewall peer session way back"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			tt.change(&f)
			e := explain.Explain(f)
			if got := strings.Join(names(e.Steps), " "); got != tt.want || e.Verdict != "would pass" {
				t.Errorf("%s: %s, want %s", e.Verdict, got, tt.want)
			}
		})
	}
}

// What is removed or in doubt is named by its step, by the first one that there is.
func TestRemovals(t *testing.T) {
	refused := false
	without := func(list []mesh.Route, i ...int) (rest []mesh.Route) {
		for n, r := range list {
			if !slices.Contains(i, n) {
				rest = append(rest, r)
			}
		}
		return rest
	}
	unreachable := &explain.Route{Reason: "no route to host"}
	for name, tt := range map[string]struct {
		change func(*explain.Facts)
		step   string
		result view.Result
	}{
		"port gone":      {func(f *explain.Facts) { f.From.Gone = true }, "attachment", view.Fail},
		"port unplugged": {func(f *explain.Facts) { f.From.Master = "" }, "attachment", view.Fail},
		"port down":      {func(f *explain.Facts) { f.From.Up = false }, "attachment", view.Fail},
		"port unread":    {func(f *explain.Facts) { f.From.Unread = true }, "attachment", view.Unknown},
		"refused": {func(f *explain.Facts) {
			f.Policies = explain.Policies{Allowed: &refused, Reason: "refused"}
		}, "policy", view.Fail},
		"policies unknown": {func(f *explain.Facts) { f.Policies.Allowed = nil }, "policy", view.Unknown},
		"rule": {func(f *explain.Facts) {
			f.Rules, f.Forth = slices.Delete(slices.Clone(f.Rules), 2, 3), unreachable
		}, "rule", view.Fail},
		"rule astray": {func(f *explain.Facts) { f.Rules[2].Astray = true }, "rule", view.Fail},
		"rule of the other family": {func(f *explain.Facts) {
			f.Rules[2] = mesh.Rule{IPv6: true, Table: mesh.TablePods}
		}, "rule", view.Fail},
		"rules unread": {func(f *explain.Facts) { f.Rules = nil }, "rule", view.Unknown},
		"table": {func(f *explain.Facts) {
			f.Routes, f.Forth = without(f.Routes, 0, 1), unreachable
		}, "table", view.Fail},
		"routes unread": {func(f *explain.Facts) { f.Routes = nil }, "table", view.Unknown},
		"route": {func(f *explain.Facts) {
			f.Routes, f.Forth = without(f.Routes, 0), unreachable
		}, "route", view.Fail},
		"another's route":  {func(f *explain.Facts) { f.Forth = &explain.Route{Link: "tun0"} }, "route", view.Fail},
		"route unread":     {func(f *explain.Facts) { f.Forth = nil }, "route", view.Unknown},
		"guard altered":    {func(f *explain.Facts) { f.Guard = doctor.GuardAltered }, "guard", view.Unknown},
		"guard absent":     {func(f *explain.Facts) { f.Guard = doctor.GuardAbsent }, "guard", view.Warn},
		"guard unread":     {func(f *explain.Facts) { f.Guard = "" }, "guard", view.Unknown},
		"peer":             {func(f *explain.Facts) { f.Peers = f.Peers[:0] }, "peer", view.Fail},
		"peer missing":     {func(f *explain.Facts) { f.Peers[0].State = mesh.PeerMissing }, "peer", view.Fail},
		"device unread":    {func(f *explain.Facts) { f.Peers = nil }, "peer", view.Unknown},
		"unanswered":       {func(f *explain.Facts) { f.Peers[0].State = mesh.PeerUnanswered }, "session", view.Fail},
		"idle":             {func(f *explain.Facts) { f.Peers[0].State = mesh.PeerIdle }, "session", view.Unknown},
		"way back":         {func(f *explain.Facts) { f.Back = unreachable }, "way back", view.Fail},
		"firewalls unread": {func(f *explain.Facts) { f.Firewalls = nil }, "firewall", view.Unknown},
		"firewall that may drop": {func(f *explain.Facts) {
			f.Firewalls = []explain.Firewall{closed("forward", false)}
		}, "firewall", view.Unknown},
		"firewall that drops, behind one that may": {func(f *explain.Facts) {
			perhaps := closed("forward", false)
			f.Firewalls = []explain.Firewall{perhaps, closed("forward", true), perhaps}
		}, "firewall", view.Fail},
		"firewall before some of WireGuard": {func(f *explain.Facts) {
			f.Firewalls = []explain.Firewall{{IPv4: true, WireGuard: true, Surely: true, Some: true}}
		}, "firewall", view.Warn},
		"firewall before WireGuard": {func(f *explain.Facts) {
			f.Firewalls = []explain.Firewall{{IPv4: true, Hook: "input", WireGuard: true, Surely: true}}
		}, "firewall", view.Fail},
		"from nobody": {func(f *explain.Facts) {
			*f = inward()
			f.From.Addr = elsewhere
		}, "peer", view.Fail},
		"no way back, and so none on": {func(f *explain.Facts) {
			*f = inward()
			f.Back, f.Forth = unreachable, unreachable
		}, "way back", view.Fail},
		"far port": {func(f *explain.Facts) {
			*f = inward()
			f.To.Master = ""
		}, "attachment", view.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			tt.change(&f)
			e := explain.Explain(f)
			bad := view.NotWell(e.Steps)
			if len(bad) == 0 || bad[0].Name != tt.step || bad[0].Result != tt.result {
				t.Errorf("%s: %+v, want first %s of %s", e.Verdict, bad, tt.result, tt.step)
			}
		})
	}
}

// closed is a firewall that drops all that is forwarded, or that comes to the node, surely or perhaps.
func closed(hook string, surely bool) explain.Firewall {
	return explain.Firewall{IPv4: true, IPv6: true, Hook: hook, Surely: surely, Reason: "it drops", Remedy: "open it"}
}

// Only what the packet or its answer meets counts.
func TestFirewallsElsewhere(t *testing.T) {
	named := func(in, out string) explain.Firewall {
		w := closed("forward", true)
		w.In, w.Out = in, out
		return w
	}
	wireguard := closed("input", true)
	wireguard.WireGuard, wireguard.IPv4 = true, false
	other := closed("forward", true)
	other.IPv4 = false
	toNode := func(f *explain.Facts) {
		f.To, f.Forth = explain.End{Addr: nodeA, Own: true}, &explain.Route{Link: "lo", Table: mesh.TableLocal}
	}
	far := func(f *explain.Facts) { f.To.Addr, f.Forth = elsewhere, &explain.Route{Link: "eth0"} }
	same := func(f *explain.Facts) { f.To, f.Forth = pod("shop/cache-0", cache), f.Back }
	other6 := func(f *explain.Facts) {
		f.Peers[0].Endpoint = netip.MustParseAddrPort("[2001:db8::2]:51820")
	}
	for name, tt := range map[string]struct {
		firewall explain.Firewall
		change   func(*explain.Facts)
		drops    bool
	}{
		"of the other family":             {other, func(*explain.Facts) {}, false},
		"what comes to the node":          {closed("input", true), func(*explain.Facts) {}, false},
		"… to the node":                   {closed("input", true), toNode, true},
		"what is forwarded, to the node":  {closed("forward", true), toNode, false},
		"WireGuard of the other family":   {wireguard, func(*explain.Facts) {}, false},
		"… of the endpoint's":             {wireguard, other6, true},
		"WireGuard, to the outside":       {explain.Firewall{IPv4: true, WireGuard: true, Surely: true}, far, false},
		"WireGuard, to the same node":     {explain.Firewall{IPv4: true, WireGuard: true, Surely: true}, same, false},
		"to the mesh":                     {named("warren-br0", "warren0"), func(*explain.Facts) {}, true},
		"the answer":                      {named("warren0", "warren-br0"), func(*explain.Facts) {}, true},
		"to the mesh, from another node":  {named("", "warren0"), func(f *explain.Facts) { *f = inward() }, true},
		"between pods of the node":        {named("warren-br0", "warren-br0"), func(*explain.Facts) {}, false},
		"… to one":                        {named("warren-br0", "warren-br0"), same, true},
		"the mesh, to the outside":        {named("warren0", ""), far, false},
		"pods, to the outside":            {named("warren-br0", ""), far, true},
		"its answers, which come to pods": {named("", "warren-br0"), far, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			tt.change(&f)
			f.Firewalls = []explain.Firewall{tt.firewall}
			if e := explain.Explain(f); strings.Contains(e.Verdict, "dropped") != tt.drops {
				t.Errorf("%s: %+v", e.Verdict, e.Steps)
			}
		})
	}
}

// A longer prefix of another peer's takes the address, one of a missing peer only where no other has it.
func TestLongestPrefix(t *testing.T) {
	f := facts()
	thief := status.Peer{
		Node: "node-c", State: mesh.PeerConnected, AllowedIPs: []netip.Prefix{netip.PrefixFrom(db, 32)},
	}
	detail := func() string {
		e := explain.Explain(f)
		return e.Steps[slices.Index(names(e.Steps), explain.StepPeer)].Detail
	}
	f.Peers = append(f.Peers, thief)
	if got := detail(); !strings.Contains(got, "node-c") {
		t.Error(got)
	}
	f.Peers[1].State = mesh.PeerMissing
	if got := detail(); !strings.Contains(got, "node-b") {
		t.Error(got)
	}
}

func TestVerdict(t *testing.T) {
	f := facts()
	f.Policies.Allowed, f.Peers[0].State = nil, mesh.PeerUnanswered
	if got := explain.Explain(f).Verdict; got != "would be dropped at 9 at the latest, unknown from 2" {
		t.Error(got)
	}
	f.From.Gone = true
	if got := explain.Explain(f).Verdict; got != "would be dropped at 1" {
		t.Error(got)
	}
	f = facts()
	f.Guard = doctor.GuardAltered
	if got := explain.Explain(f).Verdict; got != "unknown from 6" {
		t.Error(got)
	}
}

func TestParsePort(t *testing.T) {
	for text, want := range map[string]string{"80": "tcp", "80/tcp": "tcp", "53/udp": "udp", "9/sctp": "sctp"} {
		if protocol, port, err := explain.ParsePort(text); err != nil || protocol != want || port == 0 {
			t.Errorf("%s: %s %d, %v", text, protocol, port, err)
		}
	}
	if protocol, port, err := explain.ParsePort(); protocol != "icmp" || port != 0 || err != nil {
		t.Errorf("no port: %s %d, %v", protocol, port, err)
	}
	for _, text := range []string{"", "0", "65536", "http", "80/", "80/TCP", "80/icmp", "-1/tcp"} {
		if _, _, err := explain.ParsePort(text); err == nil {
			t.Errorf("%q is a port", text)
		}
	}
}

func TestWrite(t *testing.T) {
	blocked := facts()
	blocked.Peers[0].State, blocked.Peers[0].ReceivedBytes = mesh.PeerUnanswered, 0
	far := explain.Explain(func() explain.Facts {
		f := inward()
		f.Node, f.To.Master = "node-b", ""
		return f
	}())
	ways := explain.NewWays(now, []explain.Way{
		explain.Join("shop/web-0 10.244.1.7 on node-a", "shop/db-0 10.244.2.9 on node-b",
			explain.Leg{Node: "node-a", Steps: explain.Explain(facts()).Steps},
			explain.Leg{Node: "node-b", Steps: far.Steps}),
		explain.Join("shop/web-0 10.244.1.7 on node-a", "shop/db-1 10.244.3.9 on node-c",
			explain.Leg{Node: "node-a", Steps: explain.Explain(blocked).Steps},
			explain.Silent("node-c", "no answer within 20s")),
	})
	for _, format := range []view.Format{view.Text, view.JSON, view.YAML, view.Name} {
		t.Run(string(format), func(t *testing.T) {
			var one, all strings.Builder
			err := errors.Join(explain.Write(&one, format, explain.Explain(blocked)),
				explain.WriteWays(&all, format, ways))
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, "testdata/blocked."+string(format), one.String())
			golden.Equal(t, "testdata/ways."+string(format), all.String())
		})
	}
}
