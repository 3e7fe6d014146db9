package userspace

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"warren.mesh/keys"
)

// syncBuffer is a buffer that many may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// hexOf is a key as UAPI has it.
func hexOf(key keys.Private) string {
	b := key.Reveal()
	return hex.EncodeToString(b[:])
}

// testDevice is a device made by newDevice on a TUN of channels.
type testDevice struct {
	boundedDevice
	tun  *tuntest.ChannelTUN
	key  keys.Private
	addr netip.Addr
}

func newTestDevice(t *testing.T, addr string) *testDevice {
	t.Helper()
	key, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	d := &testDevice{tun: tuntest.NewChannelTUN(), key: key, addr: netip.MustParseAddr(addr)}
	// Not to t.Output: some of the device's goroutines outlive Close, and log.
	d.boundedDevice = newDevice(d.tun.TUN(), func() {}, newLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(d.Close)
	if err := d.Up(); err != nil {
		t.Fatal(err)
	}
	d.set(t, "private_key=%s", hexOf(key))
	return d
}

func (d *testDevice) set(t *testing.T, format string, args ...any) {
	t.Helper()
	if err := d.IpcSet(fmt.Sprintf(format, args...) + "\n"); err != nil {
		t.Fatal(err)
	}
}

// add makes other a peer of d, with a loopback address as endpoint.
func (d *testDevice) add(t *testing.T, other *testDevice, host string) {
	t.Helper()
	public := other.key.Public()
	d.set(t, "public_key=%x\nendpoint=%s\nallowed_ip=%s/32", public[:], net.JoinHostPort(host, other.port(t)),
		other.addr)
}

// port returns the device's UDP port.
func (d *testDevice) port(t *testing.T) string {
	t.Helper()
	config, err := d.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(config) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == "listen_port" && value != "0" {
			return value
		}
	}
	t.Fatal("the device has no port")
	return ""
}

// TestDevice sends packets through handshakes and sessions, over both families at once.
func TestDevice(t *testing.T) {
	hub := newTestDevice(t, "10.0.0.1")
	spokes := []*testDevice{newTestDevice(t, "10.0.0.2"), newTestDevice(t, "10.0.0.3"), newTestDevice(t, "10.0.0.4")}
	for i, host := range []string{"127.0.0.1", "::1", "::1"} {
		hub.add(t, spokes[i], host)
		spokes[i].add(t, hub, host)
	}
	for range 20 {
		for _, spoke := range spokes {
			there := tuntest.Ping(spoke.addr, hub.addr)
			hub.tun.Outbound <- there
			if got := <-spoke.tun.Inbound; !bytes.Equal(got, there) {
				t.Fatalf("%v received %x, want %x", spoke.addr, got, there)
			}
			back := tuntest.Ping(hub.addr, spoke.addr)
			spoke.tun.Outbound <- back
			if got := <-hub.tun.Inbound; !bytes.Equal(got, back) {
				t.Fatalf("the hub received %x, want %x", got, back)
			}
		}
	}
}

// TestPortInUseReachesTheClient uses the socket that wgctrl and `wg` use, whose error is a number.
func TestPortInUseReachesTheClient(t *testing.T) {
	other := newTestDevice(t, "10.0.0.1")
	d := newTestDevice(t, "10.0.0.2")
	client, server := net.Pipe()
	go d.IpcHandle(server)
	defer client.Close()
	answers := bufio.NewReader(client)
	for _, test := range []struct{ port, want string }{
		{other.port(t), "errno=-98\n"},
		{"0", "errno=0\n"}, // Another port mends it.
	} {
		if _, err := fmt.Fprintf(client, "set=1\nlisten_port=%s\n\n", test.port); err != nil {
			t.Fatal(err)
		}
		got, err := answers.ReadString('\n')
		if err != nil || got != test.want {
			t.Errorf("answer to port %s: %q, %v; want %q", test.port, got, err, test.want)
		}
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.port(t); got == other.port(t) {
		t.Errorf("two devices tell port %s", got)
	}
}

// TestPortBind counts the failures to open a port, and only those.
func TestPortBind(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			other, err := net.ListenPacket(network, ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			failed := 0
			b := portBind{newBind(), func() { failed++ }}
			if _, _, err := b.Open(uint16(other.LocalAddr().(*net.UDPAddr).Port)); !errors.Is(err, unix.EADDRINUSE) ||
				failed != 1 {
				t.Errorf("Open: %v, told of %d failures; want EADDRINUSE, 1", err, failed)
			}
			if _, _, err := b.Open(0); err != nil || failed != 1 {
				t.Errorf("Open of a random port: %v, told of %d failures; want 1", err, failed)
			}
			defer b.Close()
			if _, _, err := b.Open(0); err == nil || failed != 1 {
				t.Errorf("second Open: %v, told of %d failures; want an error, 1", err, failed)
			}
		})
	}
}
