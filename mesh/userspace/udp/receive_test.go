package udp

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// inbox is what recvmmsg finds: one element per call.
type inbox [][]joined

// joined is one message: datagrams that the kernel joined.
type joined struct {
	from    string
	size    int
	payload string
}

func (b *inbox) WriteBatch([]message, int) (int, error) { return 0, net.ErrClosed }

func (b *inbox) ReadBatch(msgs []message, _ int) (int, error) {
	if len(*b) == 0 {
		return 0, net.ErrClosed
	}
	call := (*b)[0]
	*b = (*b)[1:]
	for i, j := range call {
		m := &msgs[i]
		from, err := net.ResolveUDPAddr("udp", j.from)
		if err != nil {
			return 0, err
		}
		m.N, m.Addr = copy(m.Buffers[0], j.payload), from
		control := appendSource(m.OOB[:0], own4)
		if j.size > 0 {
			control = appendControl(control, unix.SOL_UDP, unix.UDP_GRO,
				binary.NativeEndian.AppendUint32(nil, uint32(j.size)))
		}
		m.NN = len(control)
	}
	return len(call), nil
}

func TestReceive(t *testing.T) {
	const a, b = "192.0.2.1:1", "[2001:db8::2]:2"
	tests := map[string]struct {
		inbox inbox
		room  int
		// want holds the datagrams of each call.
		want [][]datagram
	}{
		"single": {
			inbox: inbox{{{from: a, payload: "x"}}},
			room:  4, want: [][]datagram{{{From: a, Payload: "x"}}},
		},
		"joined, the last one shorter": {
			inbox: inbox{{{from: a, size: 2, payload: "aabbc"}}},
			room:  4, want: [][]datagram{{{From: a, Payload: "aa"}, {From: a, Payload: "bb"}, {From: a, Payload: "c"}}},
		},
		"of many peers": {
			inbox: inbox{{{from: a, size: 2, payload: "aa"}, {from: b, payload: "bb"},
				{from: a, size: 1, payload: "cd"}}},
			room: 4, want: [][]datagram{{
				{From: a, Payload: "aa"}, {From: b, Payload: "bb"}, {From: a, Payload: "c"}, {From: a, Payload: "d"},
			}},
		},
		"more than there is room for stays for the next call": {
			inbox: inbox{{{from: a, size: 1, payload: "abc"}, {from: b, payload: "d"}}, {{from: b, payload: "e"}}},
			room:  2, want: [][]datagram{
				{{From: a, Payload: "a"}, {From: a, Payload: "b"}},
				{{From: a, Payload: "c"}, {From: b, Payload: "d"}},
				{{From: b, Payload: "e"}},
			},
		},
		"empty ones are nothing": {
			inbox: inbox{{{from: a}, {from: b, payload: "x"}, {from: a}}, {{from: a}}, {{from: a, payload: "y"}}},
			room:  2, want: [][]datagram{{{From: b, Payload: "x"}}, nil, {{From: a, Payload: "y"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(&socket{batcher: &test.inbox})
			var got [][]datagram
			for range test.want {
				got = append(got, receive(t, r.receiveIPv4, test.room))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
			if _, err := r.receiveIPv6(nil, nil, nil); err == nil {
				t.Error("no error at the end of the inbox")
			}
		})
	}
}

// receive makes one call, with room for so many datagrams.
func receive(t *testing.T, fn conn.ReceiveFunc, room int) []datagram {
	t.Helper()
	bufs, sizes, eps := make([][]byte, room), make([]int, room), make([]conn.Endpoint, room)
	for i := range bufs {
		bufs[i] = make([]byte, 1<<16)
	}
	n, err := fn(bufs, sizes, eps)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	var got []datagram
	for i := range n {
		got = append(got, datagram{From: eps[i].DstToString(), Payload: string(bytes.Clone(bufs[i][:sizes[i]]))})
	}
	return got
}

func TestReceivedEndpoint(t *testing.T) {
	r := newReceiver(&socket{batcher: &inbox{{{from: "192.0.2.1:1", payload: "x"}}}})
	bufs, sizes, eps := [][]byte{make([]byte, 1)}, make([]int, 1), make([]conn.Endpoint, 1)
	if _, err := r.receive(bufs, sizes, eps); err != nil {
		t.Fatal(err)
	}
	if got := eps[0].SrcIP(); got != own4 {
		t.Errorf("replies come from %v, want %v", got, own4)
	}
	eps[0].ClearSrc()
	if got := eps[0].SrcIP(); got.IsValid() {
		t.Errorf("after ClearSrc replies come from %v, want the kernel's choice", got)
	}
}
