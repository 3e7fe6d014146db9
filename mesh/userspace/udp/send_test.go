package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// kernel is a small model of sendmmsg on a UDP socket. It takes messages in order, up to the first one that it refuses,
// for which it returns an error only if it is the first of the call.
type kernel struct {
	// mtu is the path's, in bytes of UDP payload. A payload to be cut into longer datagrams is refused. A longer
	// datagram by itself is fragmented, or refused if noFragments is set.
	mtu         int
	noFragments bool
	// cutError is the error for a payload to be cut that does not fit; nil is EMSGSIZE.
	cutError error
	// noChecksums stands for an interface that computes none, without which no payload can be cut.
	noChecksums bool
	// gone is a source address that is no longer the host's.
	gone netip.Addr
	// down refuses everything with this error.
	down error
	// limit is how many messages one call takes; zero is no limit.
	limit int

	mu   sync.Mutex
	sent []datagram
}

// datagram is what went out on the wire.
type datagram struct {
	To, From, Payload string
}

func (k *kernel) ReadBatch([]message, int) (int, error) { return 0, net.ErrClosed }

func (k *kernel) WriteBatch(msgs []message, _ int) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range msgs {
		if k.limit > 0 && i == k.limit {
			return i, nil
		}
		if err := k.write(&msgs[i]); err != nil {
			if i > 0 {
				return i, nil
			}
			return -1, &net.OpError{Op: "write", Err: os.NewSyscallError("sendmmsg", err)}
		}
	}
	return len(msgs), nil
}

func (k *kernel) write(m *message) error {
	src, segment := parseSent(m.OOB)
	payload := bytes.Join(m.Buffers, nil)
	switch {
	case k.down != nil:
		return k.down
	case src.IsValid() && src == k.gone:
		return unix.EINVAL
	case segment > 0 && k.noChecksums:
		return unix.EIO
	case segment > k.mtu && k.cutError != nil:
		return k.cutError
	case segment > k.mtu, k.noFragments && segment == 0 && len(payload) > k.mtu:
		return unix.EMSGSIZE
	}
	if segment == 0 {
		segment = len(payload)
	}
	for len(payload) > 0 {
		n := min(segment, len(payload))
		k.sent = append(k.sent, datagram{To: m.Addr.String(), From: addrText(src), Payload: string(payload[:n])})
		payload = payload[n:]
	}
	return nil
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

var (
	peer4 = netip.MustParseAddrPort("192.0.2.1:51820")
	peer6 = netip.MustParseAddrPort("[2001:db8::1]:51820")
	own4  = netip.MustParseAddr("192.0.2.9")
)

func texts(texts ...string) [][]byte {
	var out [][]byte
	for _, s := range texts {
		out = append(out, []byte(s))
	}
	return out
}

func TestSend(t *testing.T) {
	tests := map[string]struct {
		kernel *kernel
		src    netip.Addr
		give   [][]byte
		// want are payloads; all of them go to peer4, from wantSrc.
		want         []string
		wantSrc      netip.Addr
		wantErr      error
		wantSegments bool
	}{
		"one": {
			kernel: &kernel{mtu: 9}, give: texts("a"), want: []string{"a"}, wantSegments: true,
		},
		"cut by the kernel": {
			kernel: &kernel{mtu: 9}, give: texts("aa", "bb", "c", "dd"), want: []string{"aa", "bb", "c", "dd"},
			wantSegments: true,
		},
		"more than one call": {
			kernel: &kernel{mtu: 9, limit: 1}, give: texts("a", "bb", "ccc"), want: []string{"a", "bb", "ccc"},
			wantSegments: true,
		},
		"source sticks": {
			kernel: &kernel{mtu: 9}, src: own4, give: texts("a", "b"), want: []string{"a", "b"}, wantSrc: own4,
			wantSegments: true,
		},
		"source gone": {
			kernel: &kernel{mtu: 9, gone: own4}, src: own4, give: texts("a", "b"), want: []string{"a", "b"},
			wantSegments: true,
		},
		"interface without checksums": {
			kernel: &kernel{mtu: 9, noChecksums: true}, src: own4,
			give: texts("aa", "bb"), want: []string{"aa", "bb"}, wantSrc: own4, wantSegments: false,
		},
		"narrow path": {
			kernel: &kernel{mtu: 2}, src: own4,
			give: texts("aaa", "bbb", "c", "d"), want: []string{"aaa", "bbb", "c", "d"}, wantSrc: own4,
			wantSegments: true,
		},
		"narrow path, after one that fits": {
			kernel: &kernel{mtu: 2},
			give:   texts("a", "bbb", "ccc", "d"), want: []string{"a", "bbb", "ccc", "d"}, wantSegments: true,
		},
		"narrow path before Linux 6.14": {
			kernel: &kernel{mtu: 2, cutError: unix.EINVAL},
			give:   texts("aaa", "bbb", "c"), want: []string{"aaa", "bbb", "c"}, wantSegments: true,
		},
		"narrow path before Linux 6.14, source gone": {
			kernel: &kernel{mtu: 2, cutError: unix.EINVAL, gone: own4}, src: own4,
			give: texts("aaa", "bbb", "c"), want: []string{"aaa", "bbb", "c"}, wantSegments: true,
		},
		"narrow path without fragments loses what is too long only": {
			kernel: &kernel{mtu: 2, noFragments: true},
			give:   texts("a", "bbb", "cc"), want: []string{"a", "cc"}, wantErr: unix.EMSGSIZE, wantSegments: true,
		},
		"no route": {
			kernel: &kernel{mtu: 9, down: unix.ENETUNREACH}, src: own4, give: texts("a"),
			wantErr: unix.ENETUNREACH, wantSegments: true,
		},
		"filtered": {
			kernel: &kernel{mtu: 9, down: unix.EPERM}, give: texts("aa", "bb"), wantErr: unix.EPERM, wantSegments: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &socket{batcher: test.kernel, maxPayload: maxPayloadIPv4}
			s.segments.Store(true)
			e := receivedFrom(net.UDPAddrFromAddrPort(peer4), test.src)

			err := s.send(test.give, e)

			if !errors.Is(err, test.wantErr) {
				t.Errorf("error = %v, want %v", err, test.wantErr)
			}
			var want []datagram
			for _, payload := range test.want {
				want = append(want, datagram{To: peer4.String(), From: addrText(test.wantSrc), Payload: payload})
			}
			if diff := cmp.Diff(want, test.kernel.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if got := s.segments.Load(); got != test.wantSegments {
				t.Errorf("segments afterwards = %v, want %v", got, test.wantSegments)
			}
		})
	}
}

// TestSendMixed sends to both families at once, which the stock bind fails: it mixes up their addresses.
func TestSendMixed(t *testing.T) {
	k := &kernel{mtu: 1 << 16}
	b := newBind()
	b.listen = func(string, uint16) (*socket, error) {
		s := &socket{batcher: k, maxPayload: maxPayloadIPv4, port: 1}
		s.segments.Store(true)
		return s, nil
	}
	if _, _, err := b.Open(0); err != nil {
		t.Fatal(err)
	}
	const senders, rounds = 6, 200
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			to := fmt.Sprintf("192.0.2.%d:1", i+1)
			if i%2 == 0 {
				to = fmt.Sprintf("[2001:db8:%d::%d]:1", i+1, i+1)
			}
			e, err := b.ParseEndpoint(to)
			if err != nil {
				t.Error(err)
				return
			}
			for range rounds {
				if err := b.Send(texts(to, to), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, want := len(k.sent), senders*rounds*2; got != want {
		t.Errorf("sent %d datagrams, want %d", got, want)
	}
	for _, d := range k.sent {
		if d.To != d.Payload {
			t.Fatalf("a datagram for %s went to %s", d.Payload, d.To)
		}
	}
}

func TestPrefix(t *testing.T) {
	tests := map[string]struct {
		sizes []int
		max   int
		want  int
	}{
		"one":                    {sizes: []int{5}, max: 100, want: 1},
		"equal":                  {sizes: []int{5, 5, 5}, max: 100, want: 3},
		"shorter one ends it":    {sizes: []int{5, 5, 3, 5}, max: 100, want: 3},
		"longer one is left out": {sizes: []int{5, 6}, max: 100, want: 1},
		"longest payload":        {sizes: []int{5, 5, 5}, max: 10, want: 2},
		"first alone is too long": {
			sizes: []int{50, 50}, max: 10, want: 1,
		},
		"most segments": {sizes: repeat(1, 100), max: 1000, want: maxSegments},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var datagrams [][]byte
			for _, size := range test.sizes {
				datagrams = append(datagrams, make([]byte, size))
			}
			if got := prefix(datagrams, test.max); got != test.want {
				t.Errorf("prefix = %d, want %d", got, test.want)
			}
		})
	}
}

func repeat(v, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// TestFillDoesNotAllocate guards what every packet passes.
func TestFillDoesNotAllocate(t *testing.T) {
	b := batches.Get().(*batch)
	defer b.release()
	e := receivedFrom(net.UDPAddrFromAddrPort(peer6), netip.MustParseAddr("2001:db8::9"))
	give := make([][]byte, conn.IdealBatchSize)
	got := testing.AllocsPerRun(100, func() { b.fill(give, e, plan{segments: true, maxPayload: maxPayloadIPv6}) })
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}
