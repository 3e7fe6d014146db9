package probe

import (
	"net/netip"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// knowing answers gateways of 10.244.N.0/24, for N below 200.
func knowing() *responder {
	return &responder{knows: func(ip netip.Addr) bool {
		b := ip.As4()
		return b[0] == 10 && b[1] == 244 && b[2] < 200 && b[3] == 1
	}}
}

func TestReplyIsNoLongerThanTheRequest(t *testing.T) {
	r := knowing()
	for size := range 2000 {
		request := Encode(Request, Nonce{7}, size)
		at := now.Add(time.Duration(size) * time.Second)
		reply := r.answer(netip.AddrPortFrom(addr("10.244.1.1"), Port), request, at)
		kind, nonce, ok := Decode(reply)
		if !ok || kind != Reply || nonce != (Nonce{7}) || len(reply) != len(request) {
			t.Fatalf("%d bytes are answered with %d: %v %d", len(request), len(reply), ok, kind)
		}
	}
}

// Nobody is answered but a gateway, from the one port, in the format; and a reply is never answered.
func TestStrangersGetNoAnswer(t *testing.T) {
	request := Encode(Request, Nonce{7}, 100)
	for name, tt := range map[string]struct {
		from    string
		message []byte
	}{
		"a pod":                   {"10.244.1.7:18789", request},
		"a node's address":        {"192.0.2.1:18789", request},
		"a gateway of no peer":    {"10.244.200.1:18789", request},
		"another port":            {"10.244.1.1:18788", request},
		"a reply":                 {"10.244.1.1:18789", Encode(Reply, Nonce{7}, 100)},
		"half a request":          {"10.244.1.1:18789", request[:HeaderSize/2]},
		"nothing":                 {"10.244.1.1:18789", nil},
		"a request and something": {"10.244.1.1:18789", append([]byte{0}, request...)},
	} {
		if reply := knowing().answer(netip.MustParseAddrPort(tt.from), tt.message, now); reply != nil {
			t.Errorf("%s is answered with %x", name, reply)
		}
	}
	if knowing().answer(netip.MustParseAddrPort("10.244.1.1:18789"), request, now) == nil {
		t.Error("a gateway is not answered")
	}
}

// A peer that asks without end gets so many answers a second, and takes none of another's. All peers together get no
// more than the bound of all.
func TestAnswersAreBounded(t *testing.T) {
	r := knowing()
	ask := func(from byte, at time.Time) int {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, from, 1}), Port)
		return len(r.answer(source, Encode(Request, Nonce{1}, 100), at)) / 100
	}
	answers := 0
	for i := range 10_000 { // for ten seconds
		answers += ask(1, now.Add(time.Duration(i)*time.Millisecond))
	}
	if answers < 10*answersEach || answers > 11*answersEach {
		t.Errorf("one peer got %d answers in 10 s, want %d a second", answers, answersEach)
	}
	if ask(2, now.Add(10*time.Second)) != 1 {
		t.Error("another peer gets no answer")
	}
	later := now.Add(time.Hour)
	answers = 0
	for i := range 100 * 1000 { // from 100 peers, at once
		answers += ask(byte(i%100), later)
	}
	if answers != answersAll {
		t.Errorf("all peers got %d answers at once, want %d", answers, answersAll)
	}
}
