package mesh_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// The endpoints of the peer in TestAnswers: two that it announces, and one that its device has learnt.
var (
	first  = netip.MustParseAddrPort("192.0.2.1:51820")
	second = netip.MustParseAddrPort("[2001:db8::1]:51820")
	learnt = netip.MustParseAddrPort("198.51.100.1:4000")
)

// traffic is what passes between two readings of the device, which are a second apart.
type traffic struct {
	seconds        int
	sent, received uint64
	handshake      bool
}

// initiations are what a device without a session does for so many seconds: 148 bytes every fifth.
func initiations(seconds int) (all []traffic) {
	for s := range seconds {
		t := traffic{seconds: 1}
		if s%5 == 0 {
			t.sent = 148
		}
		all = append(all, t)
	}
	return all
}

// repeat is the same for so many seconds.
func repeat(seconds int, sent, received uint64) (all []traffic) {
	for range seconds {
		all = append(all, traffic{seconds: 1, sent: sent, received: received})
	}
	return all
}

func joined(parts ...[]traffic) (all []traffic) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// silence passes for so many seconds.
func silence(seconds int) []traffic { return []traffic{{seconds: seconds}} }

func TestAnswers(t *testing.T) {
	both, one := []netip.AddrPort{first, second}, []netip.AddrPort{first}
	for name, tt := range map[string]struct {
		announced []netip.AddrPort
		used      netip.AddrPort
		keepalive time.Duration
		// session is when the last handshake was, before the first reading; zero is never.
		session time.Duration
		traffic []traffic
		// want are the endpoints that are set, each after how many seconds.
		want string
		// unanswered says what is told of the peer in the end.
		unanswered bool
	}{
		"nothing passes":           {both, learnt, 0, time.Hour, silence(1000), "", false},
		"nobody answers":           {one, learnt, 0, 0, initiations(30), "17s first", true},
		"nobody answers a session": {one, learnt, 0, time.Minute, repeat(30, 1000, 0), "17s first", true},
		"one packet, then initiations": {one, learnt, 0, time.Minute,
			joined(repeat(1, 1000, 0), silence(14), initiations(3)), "17s first", true},
		"it answers": {one, learnt, 0, time.Minute, repeat(300, 1000, 1000), "", false},
		"it answers late, but does": {one, learnt, 0, time.Minute,
			joined(repeat(15, 1000, 0), repeat(300, 1000, 1)), "", false},
		"it answers by a handshake": {one, learnt, 0, 0,
			joined(initiations(15), []traffic{{seconds: 1, handshake: true}}, silence(100)), "", false},
		"it answers every ten seconds": {one, learnt, 0, time.Minute,
			joined(repeat(10, 9, 0), repeat(1, 0, 32), repeat(10, 9, 0), repeat(1, 0, 32)), "", false},
		"it sends, and nothing goes":    {both, learnt, 0, time.Minute, repeat(300, 0, 1000), "", false},
		"one endpoint, which is in use": {one, first, 0, 0, initiations(100), "", true},
		"no endpoint":                   {nil, learnt, 0, 0, initiations(100), "", true},
		"both in turn, then later again": {both, learnt, 0, 0, initiations(160),
			"17s first,37s second,73s first,108s second", true},
		"from the first to the second": {both, first, 0, 0, initiations(20), "17s second", true},
		"from the second to the first": {both, second, 0, 0, initiations(20), "17s first", true},
		"an endpoint has its time from its first packet on": {both, first, 0, 0,
			joined(initiations(17), silence(3600), initiations(20)), "17s second,3634s first", true},
		"none, after that": {both, first, 0, 0, joined(initiations(17), silence(3600)), "17s second", true},
		"only keepalives":  {one, learnt, 25 * time.Second, time.Second, keepalives(25, 150), "", false},
		"keepalives, and the handshake that follows": {one, learnt, 25 * time.Second, time.Second,
			joined(keepalives(25, 125), initiations(20)), "142s first", true},
		"it had the last word": {both, first, 0, time.Second,
			joined(repeat(1, 0, 1000), silence(9), repeat(1, 32, 0), silence(100)), "", false},
		"it had, and readings are rare": {both, first, 0, time.Second,
			[]traffic{{seconds: 25, received: 1000}, {seconds: 25, sent: 96}, {seconds: 100}}, "", false},
		"it had, then something went": {both, first, 0, time.Second,
			joined(repeat(1, 0, 1000), silence(9), repeat(1, 32, 0), repeat(30, 64, 0)), "28s second", true},
		"keepalives often, and packets": {one, learnt, time.Second, time.Second, repeat(30, 132, 0), "17s first", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := mesh.Peer{PublicKey: key("a"), Keepalive: tt.keepalive}
			if len(tt.announced) > 0 {
				p.Endpoint, p.Alternatives = tt.announced[0], tt.announced[1:]
			}
			got, unanswered := answers(p, tt.used, tt.session, tt.traffic)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("endpoints set (-want +got):\n%s", diff)
			}
			if unanswered != tt.unanswered {
				t.Errorf("unanswered: %v", unanswered)
			}
		})
	}
}

// keepalives are one each interval, in seconds, of a device to which nothing comes.
func keepalives(interval, seconds int) (all []traffic) {
	for range seconds / interval {
		all = append(all, joined(repeat(1, 32, 0), silence(interval-1))...)
	}
	return all
}

// answers has the device read after each traffic, and returns what is set when.
func answers(p mesh.Peer, used netip.AddrPort, session time.Duration, all []traffic) (set string, unanswered bool) {
	names := map[netip.AddrPort]string{first: "first", second: "second"}
	now := epoch
	s := mesh.PeerStatus{PublicKey: p.PublicKey, Endpoint: used}
	if session > 0 {
		s.LastHandshake, s.Received, s.Sent = now.Add(-session), 1000, 1000
	}
	a, _ := mesh.Answers{}.Next([]mesh.Peer{p}, []mesh.PeerStatus{s}, now)
	var turns []string
	for _, passed := range all {
		now = now.Add(time.Duration(passed.seconds) * time.Second)
		s.Sent, s.Received = s.Sent+passed.sent, s.Received+passed.received
		if passed.handshake {
			s.LastHandshake = now
		}
		next, updates := a.Next([]mesh.Peer{p}, []mesh.PeerStatus{s}, now)
		for _, u := range updates {
			s.Endpoint = *u.Endpoint
			turns = append(turns, fmt.Sprint(now.Sub(epoch).Seconds(), "s ", names[s.Endpoint]))
		}
		a = next
	}
	return strings.Join(turns, ","), a.Unanswered() == 1
}

// Peers come, go and are made anew, and each counts by itself.
func TestAnswersOfMany(t *testing.T) {
	var peers []mesh.Peer
	for n := range 3 {
		peers = append(peers, mesh.Peer{PublicKey: keys.Public{byte(n)}, Endpoint: first})
	}
	reading := func(sent ...uint64) (all []mesh.PeerStatus) {
		for n, bytes := range sent {
			if bytes > 0 {
				all = append(all, mesh.PeerStatus{PublicKey: keys.Public{byte(n)}, Endpoint: learnt, Sent: bytes})
			}
		}
		return all
	}
	var a mesh.Answers
	for i, step := range []struct {
		peers    []mesh.Peer
		statuses []mesh.PeerStatus
		turned   int
	}{
		{peers, reading(148, 148, 148), 0},
		{peers, reading(148, 296, 100), 0}, // the third was made anew
		{peers[:2], reading(296, 444, 248), 2},
		{peers, reading(0, 444, 396), 0}, // the third was not wanted, and begins anew
		{peers, reading(0, 444, 544), 0},
		{peers, reading(0, 444, 692), 1},
	} {
		next, updates := a.Next(step.peers, step.statuses, epoch.Add(time.Duration(i)*10*time.Second))
		if len(updates) != step.turned {
			t.Errorf("step %d: %d endpoints set, want %d", i, len(updates), step.turned)
		}
		a = next
	}
	if got := a.Unanswered(); got != 2 {
		t.Errorf("%d unanswered, want 2", got)
	}
}

// A peer's endpoints are those in the families of this node, in the order of its own addresses.
func TestAlternatives(t *testing.T) {
	nodes := numbers(2)
	v4, v6 := nodes[1].Endpoints[0], nodes[1].Endpoints[1]
	ips := nodes[0].NodeIPs
	for name, tt := range map[string]struct {
		own  []netip.Addr
		want []netip.AddrPort
	}{
		"both families":      {ips, []netip.AddrPort{v4, v6}},
		"IPv6 first":         {[]netip.Addr{ips[1], ips[0]}, []netip.AddrPort{v6, v4}},
		"two of one":         {[]netip.Addr{ips[0], ips[0].Next()}, []netip.AddrPort{v4}},
		"IPv6 alone":         {ips[1:], []netip.AddrPort{v6}},
		"IPv4 twice, and v6": {[]netip.Addr{ips[0], ips[0].Next(), ips[1]}, []netip.AddrPort{v4, v6}},
	} {
		t.Run(name, func(t *testing.T) {
			self := selfOf(nodes[0])
			self.NodeIPs = tt.own
			state, _, err := mesh.Desired(config("10.0.0.0/8", "fd00:10:244::/48"), self, nodes)
			if err != nil {
				t.Fatal(err)
			}
			got := append([]netip.AddrPort{state.Peers[0].Endpoint}, state.Peers[0].Alternatives...)
			if diff := cmp.Diff(tt.want, got, compareNetip); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
		})
	}
}
