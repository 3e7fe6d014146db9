package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// patience is for what happens at once, or is broken.
const patience = 10 * time.Second

// open opens a bind on loopback and closes it with the test.
func open(t *testing.T, b *bind, port uint16) (map[string]conn.ReceiveFunc, uint16) {
	t.Helper()
	fns, port, err := b.Open(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	byName := map[string]conn.ReceiveFunc{}
	for _, fn := range fns {
		byName[fn.PrettyName()] = fn
	}
	return byName, port
}

// TestBindBatches sends batches as the device does, with and without segmentation, and gets each datagram whole.
func TestBindBatches(t *testing.T) {
	for _, family := range []struct{ name, loopback string }{{"v4", "127.0.0.1"}, {"v6", "::1"}} {
		for _, segments := range []bool{true, false} {
			for _, n := range []int{1, 2, 63, 64, 65, conn.IdealBatchSize} {
				t.Run(fmt.Sprintf("%s segments=%v %d", family.name, segments, n), func(t *testing.T) {
					from, to := newBind(), newBind()
					open(t, from, 0)
					from.v4.segments.Store(segments)
					from.v6.segments.Store(segments)
					receivers, port := open(t, to, 0)
					for _, s := range []*socket{to.v4, to.v6} {
						_ = s.conn.SetReadDeadline(time.Now().Add(patience))
					}
					e, err := from.ParseEndpoint(net.JoinHostPort(family.loopback, fmt.Sprint(port)))
					if err != nil {
						t.Fatal(err)
					}
					var give [][]byte
					var want []string
					for i := range n {
						give = append(give, bytes.Repeat([]byte{byte(i)}, 1452))
						want = append(want, string(give[i]))
					}

					if err := from.Send(give, e); err != nil {
						t.Fatal(err)
					}

					var got []string
					for len(got) < n {
						for _, d := range receive(t, receivers[family.name], to.BatchSize()) {
							got = append(got, d.Payload)
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("received (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

func TestBindReopen(t *testing.T) {
	b := newBind()
	receivers, port := open(t, b, 0)
	if _, _, err := b.Open(port); !errors.Is(err, conn.ErrBindAlreadyOpen) {
		t.Errorf("Open of an open bind: %v", err)
	}
	for range 3 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for name, fn := range receivers {
			if _, err := fn(nil, nil, nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("receive %s after Close: %v, want net.ErrClosed", name, err)
			}
		}
		var again uint16
		if receivers, again = open(t, b, port); again != port {
			t.Fatalf("opened on port %d, want %d again", again, port)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	e, _ := b.ParseEndpoint("127.0.0.1:9")
	if err := b.Send(texts("x"), e); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send on a closed bind: %v, want net.ErrClosed", err)
	}
}

func TestBindPortInUse(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			other, err := listen(network, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			b := newBind()
			if _, _, err := b.Open(other.port); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("Open: %v, want EADDRINUSE", err)
			}
			if b.v4 != nil || b.v6 != nil {
				t.Error("a socket is still open")
			}
			open(t, b, 0) // It works on: nothing was left half open.
		})
	}
}

// TestBindFamilies plays hosts that lack a family, or have a port free in one only.
func TestBindFamilies(t *testing.T) {
	tests := map[string]struct {
		missing  string
		busy     int
		port     uint16
		want     []string
		wantPort uint16
		wantErr  error
	}{
		"both":                         {port: 7, want: []string{"v4", "v6"}, wantPort: 7},
		"IPv4 only":                    {missing: "udp6", port: 7, want: []string{"v4"}, wantPort: 7},
		"IPv6 only":                    {missing: "udp4", port: 7, want: []string{"v6"}, wantPort: 7},
		"none":                         {missing: "udp4 udp6", wantErr: unix.EAFNOSUPPORT},
		"random port taken in one":     {busy: 3, want: []string{"v4", "v6"}, wantPort: 1003},
		"random port taken every time": {busy: 1000, wantErr: unix.EADDRINUSE},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			random := uint16(1000)
			b := newBind()
			b.listen = func(network string, port uint16) (*socket, error) {
				if strings.Contains(test.missing, network) {
					return nil, unix.EAFNOSUPPORT
				}
				if port == 0 {
					port = random
					random++
				}
				if network == "udp6" && int(port) < 1000+test.busy && port >= 1000 {
					return nil, unix.EADDRINUSE
				}
				c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					return nil, err
				}
				s := newSocket(network, c)
				s.port = port
				return s, nil
			}
			fns, port, err := b.Open(test.port)
			defer b.Close()
			if !errors.Is(err, test.wantErr) || port != test.wantPort {
				t.Errorf("Open = port %d, %v; want %d, %v", port, err, test.wantPort, test.wantErr)
			}
			var got []string
			for _, fn := range fns {
				got = append(got, fn.PrettyName())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("receivers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBindSendWithoutFamily(t *testing.T) {
	b := newBind()
	open(t, b, 0)
	if err := b.v6.Close(); err != nil {
		t.Fatal(err)
	}
	b.v6 = nil
	e, _ := b.ParseEndpoint("[::1]:9")
	if err := b.Send(texts("x"), e); !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Errorf("Send to IPv6 without a socket for it: %v, want EAFNOSUPPORT", err)
	}
	if err := b.Send(texts("x"), &conn.StdNetEndpoint{}); !errors.Is(err, conn.ErrWrongEndpointType) {
		t.Errorf("Send to another bind's endpoint: %v", err)
	}
}

func TestParseEndpoint(t *testing.T) {
	b := newBind()
	for text, want := range map[string]string{
		"192.0.2.1:51820":          "192.0.2.1:51820",
		"[2001:db8::1]:51820":      "[2001:db8::1]:51820",
		"[::ffff:192.0.2.1]:51820": "192.0.2.1:51820",
		"[fe80::1%eth0]:51820":     "[fe80::1%eth0]:51820",
	} {
		e, err := b.ParseEndpoint(text)
		if err != nil {
			t.Errorf("ParseEndpoint(%q): %v", text, err)
			continue
		}
		if got := e.DstToString(); got != want {
			t.Errorf("ParseEndpoint(%q) = %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "192.0.2.1", "host:51820", "192.0.2.1:65536"} {
		if e, err := b.ParseEndpoint(text); err == nil {
			t.Errorf("ParseEndpoint(%q) = %s, want an error", text, e.DstToString())
		}
	}
}
