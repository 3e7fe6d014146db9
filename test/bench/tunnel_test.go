package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren.mesh/test/lab"
)

// tunnel is one way between two hosts.
type tunnel struct {
	from, to *lab.Node
	// link is the interface's name, on both.
	link string
}

// handmade makes a tunnel as an administrator does who has two hosts and no warren, with a device of the same kind as
// the mesh's, of its MTU, and run as the lab runs warren's.
func handmade(b *testing.B, l *lab.Lab, mesh tunnel) tunnel {
	b.Helper()
	t := tunnel{from: l.AddNode(b, lab.NodeOptions{}), to: l.AddNode(b, lab.NodeOptions{}), link: "wg0"}
	var publics []string
	for _, n := range []*lab.Node{t.from, t.to} {
		if mesh.device(b) == "kernel" {
			n.MustExec(b, "ip", "link", "add", t.link, "type", "wireguard")
		} else {
			// It returns when the device is there, and goes on in the background.
			command := lab.Prompt(l.WireGuardGo(b), t.link)
			n.MustExec(b, command[0], command[1:]...)
		}
		n.MustExec(b, "sh", "-c", "umask 077; wg genkey > /run/private")
		publics = append(publics, strings.TrimSpace(n.MustExec(b, "sh", "-c", "wg pubkey < /run/private")))
	}
	mtu := fmt.Sprint(mesh.mtu(b))
	for i, n := range []*lab.Node{t.from, t.to} {
		peer := []*lab.Node{t.to, t.from}[i]
		n.MustExec(b, "wg", "set", t.link, "listen-port", "51820", "private-key", "/run/private", "peer", publics[1-i],
			"endpoint", netip.AddrPortFrom(peer.Addrs()[0],
				51820).String(), "allowed-ips", fmt.Sprintf("10.99.0.%d,fd99::%d", 2-i, 2-i))
		n.MustExec(b, "ip", "address", "add", fmt.Sprintf("10.99.0.%d/24", 1+i), "dev", t.link)
		n.MustExec(b, "ip", "address", "add", fmt.Sprintf("fd99::%d/64", 1+i), "dev", t.link, "nodad")
		n.MustExec(b, "ip", "link", "set", t.link, "mtu", mtu, "up")
	}
	return t
}

// translates gives both hosts the chains in which kube-proxy translates addresses. What rules it has there only the
// first packet of a connection meets.
func (t tunnel) translates(b *testing.B) {
	b.Helper()
	for _, n := range []*lab.Node{t.from, t.to} {
		n.MustExec(b, "nft", `table inet proxy {
			chain nat-prerouting { type nat hook prerouting priority dstnat; }
			chain nat-output { type nat hook output priority -100; }
			chain nat-postrouting { type nat hook postrouting priority srcnat; }
		}`)
	}
}

// device says whose the WireGuard device is: the kernel's or userspace's.
func (t tunnel) device(b *testing.B) string {
	b.Helper()
	if strings.Contains(t.from.MustExec(b, "ip", "-details", "link", "show", t.link), " wireguard ") {
		return "kernel"
	}
	return "userspace"
}

func (t tunnel) mtu(b *testing.B) (bytes int) {
	b.Helper()
	t.look(b, func(link *net.Interface) error { bytes = link.MTU; return nil })
	return bytes
}

// look has the receiver's interface looked at.
func (t tunnel) look(b *testing.B, at func(*net.Interface) error) {
	b.Helper()
	err := t.to.Do(func() error {
		link, err := net.InterfaceByName(t.link)
		if err != nil {
			return err
		}
		return at(link)
	})
	if err != nil {
		b.Fatalf("look at %s of %s: %v", t.link, t.to.Name, err)
	}
}

// addr is the receiver's address in the tunnel.
func (t tunnel) addr(b *testing.B, family string) (found netip.Addr) {
	b.Helper()
	t.look(b, func(link *net.Interface) error {
		addrs, err := link.Addrs()
		for _, a := range addrs {
			addr := netip.MustParsePrefix(a.String()).Addr()
			if addr.Is4() == (family == "ipv4") && !addr.IsLinkLocalUnicast() {
				found = addr
			}
		}
		return err
	})
	return found
}

// pingCount are the requests of one round, every five milliseconds.
const pingCount = "400"

// ping returns percentiles of round-trip times in microseconds.
func (t tunnel) ping(b *testing.B, family string) map[string]float64 {
	b.Helper()
	out := t.from.MustExec(b, "ping", "-n", "-i", "0.005", "-c", pingCount, t.addr(b, family).String())
	var times []float64
	for line := range strings.Lines(out) {
		var ms float64
		if _, after, found := strings.Cut(line, " time="); found {
			if _, err := fmt.Sscan(after, &ms); err != nil {
				b.Fatalf("no time in %q: %v", line, err)
			}
			times = append(times, 1000*ms)
		}
	}
	return map[string]float64{"p50-us": percentile(50, times), "p99-us": percentile(99, times)}
}

// streamTime is how long one transfer sends.
const streamTime = time.Second

// stream sends over one TCP connection for a while, and returns what arrived in Mbit/s.
func (t tunnel) stream(b *testing.B, family string) map[string]float64 {
	b.Helper()
	listener := t.to.Listen(b, "tcp", netip.AddrPortFrom(t.addr(b, family), 0).String())
	defer listener.Close()
	sent := make(chan error, 1)
	go func() { sent <- t.send(b, listener.Addr().String()) }()
	conn, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	n, err := drain(conn)
	took := time.Since(begin)
	if err := errors.Join(err, <-sent); err != nil {
		b.Fatalf("stream from %s to %s: %v", t.from.Name, t.to.Name, err)
	}
	return map[string]float64{"Mbit/s": 8 * float64(n) / took.Seconds() / 1e6}
}

// chunk is of reads and writes, in bytes.
const chunk = 128 << 10

func (t tunnel) send(b *testing.B, to string) error {
	conn, err := t.from.Dial(b.Context(), "tcp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	data := make([]byte, chunk)
	for end := time.Now().Add(streamTime); time.Now().Before(end); {
		if _, err := conn.Write(data); err != nil {
			return err
		}
	}
	return nil
}
