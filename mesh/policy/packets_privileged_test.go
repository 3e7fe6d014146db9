package policy

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/mesh/nft"
	"warren.mesh/test/lab/namespace"
	"warren.mesh/test/lab/packet"
)

// The node's interfaces, with what is behind them, and what its frames carry.
const (
	podsLink, othersLink = "warren-br0", "warren0"
	nodeMAC              = "02:00:00:00:00:01"
)

// router is a node without addresses between its pods and all others: frames that are sent behind one of its interfaces
// come out of the other, or not. The calling goroutine stays in its namespace, on one processor: what it has sent has
// been decided when the second of two later frames has come.
type router struct {
	t *testing.T
	// inside and outside are sockets on the node's interfaces and on their other ends.
	inside, outside map[string]int
}

func newRouter(t *testing.T) *router {
	t.Helper()
	meshtest.Privileged(t)
	others := namespace.New(t)
	namespace.Enter(t)
	namespace.Quiet(t)
	r := &router{t: t, inside: map[string]int{}, outside: map[string]int{}}
	for _, link := range []string{podsLink, othersLink} {
		namespace.Run(t, "ip link add "+link+" address "+nodeMAC+" type veth peer name "+link+" netns "+others.Path())
		namespace.Run(t, "ip link set "+link+" arp off up")
		others.Command(t, "ip", "link", "set", link, "up")
		r.inside[link] = r.socket(link)
		if err := others.Do(func() error { r.outside[link] = r.socket(link); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	namespace.Run(t, "ip route add default dev warren0\nip -6 route add default dev warren0")
	namespace.OneCPU(t)
	return r
}

func (r *router) socket(link string) int {
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = unix.Close(fd) })
	request, err := unix.NewIfreq(link)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: int(request.Uint32())})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return fd
}

func (r *router) write(fd int, frame []byte) {
	r.t.Helper()
	if _, err := unix.Write(fd, frame); err != nil {
		r.t.Fatal(err)
	}
}

// came returns what has come out of the interfaces since the last call.
func (r *router) came() map[string][]packet.Header {
	r.t.Helper()
	all := map[string][]packet.Header{}
	for round := range byte(3) { // a frame that is forwarded waits for its turn twice
		for link, fd := range r.inside {
			sentinel := append(make([]byte, 12), 0x88, 0xb5, round)
			r.write(fd, append(sentinel, make([]byte, 50)...))
			for buffer := make([]byte, 2000); ; {
				size, from, err := unix.Recvfrom(r.outside[link], buffer, 0)
				if err != nil {
					r.t.Fatalf("the last frame did not come: %v", err)
				}
				if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
					continue
				}
				if slices.Equal(buffer[:len(sentinel)], sentinel) {
					break
				}
				all[link] = append(all[link], packet.Decode(slices.Clone(buffer[:size])))
			}
		}
	}
	return all
}

// to routes these addresses, and no others, to the pods.
func (r *router) to(addresses map[netip.Addr]bool) {
	r.t.Helper()
	namespace.Run(r.t, "ip route flush dev warren-br0\nip -6 route flush dev warren-br0")
	file, text := filepath.Join(r.t.TempDir(), "routes"), ""
	for ip := range addresses {
		text += fmt.Sprintf("route add %v dev warren-br0\n", ip)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	namespace.Run(r.t, "ip -batch "+file)
}

// numbered is a connection with the port or the identifier that its client has.
type numbered struct {
	Connection
	number uint16
}

// frame is the connection's first packet, or an answer from the other side.
func (c numbered) frame(answer bool) []byte {
	from, to := netip.AddrPortFrom(c.Client, c.number), netip.AddrPortFrom(c.Server, c.Port)
	if answer {
		from, to = to, from
	}
	mac, _ := net.ParseMAC(nodeMAC)
	f := packet.Frame{NextHop: mac, Protocol: packet.UDP, Source: from, Destination: to, Payload: []byte("x")}
	switch c.Protocol {
	case UDP:
	case TCP:
		f.Protocol, f.Payload = packet.TCP, nil
	case SCTP:
		return c.other(f, unix.IPPROTO_SCTP, initiation(from.Port(), to.Port()))
	case "icmp":
		echo := []byte{8, 0, 0, 0, byte(c.number >> 8), byte(c.number), 0, 1}
		if from.Addr().Is6() {
			echo[0] = 128
			pseudo := []byte{0, 8, 0, packet.ICMPv6}
			binary.BigEndian.PutUint16(echo[2:], ^sum(from.Addr().AsSlice(), to.Addr().AsSlice(), pseudo, echo))
			return c.other(f, packet.ICMPv6, echo)
		}
		binary.BigEndian.PutUint16(echo[2:], ^sum(echo))
		return c.other(f, packet.ICMP, echo)
	}
	return f.Bytes()
}

// other is the frame of a datagram with another protocol and content.
func (c numbered) other(f packet.Frame, protocol byte, content []byte) []byte {
	b := f.Bytes()
	if f.Source.Addr().Is6() {
		b = append(b[:54:54], content...)
		b[20] = protocol
		binary.BigEndian.PutUint16(b[18:], uint16(len(content)))
		return b
	}
	b = append(b[:34:34], content...)
	b[23] = protocol
	binary.BigEndian.PutUint16(b[16:], uint16(20+len(content)))
	copy(b[24:], []byte{0, 0})
	binary.BigEndian.PutUint16(b[24:], ^sum(b[14:34]))
	return b
}

// initiation opens an SCTP association (RFC 9260, 3.3.2).
func initiation(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = append(binary.BigEndian.AppendUint16(b, to), make([]byte, 8)...)
	b = append(b, 1, 0, 0, 20, 0, 0, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// sum is the sum of RFC 1071 over parts of even lengths.
func sum(parts ...[]byte) uint16 {
	total := uint32(0)
	for _, part := range parts {
		for i := 0; i < len(part); i += 2 {
			total += uint32(part[i])<<8 | uint32(part[i+1])
		}
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// is reports whether the header is that of the connection's packet.
func (c numbered) is(h packet.Header, answer bool) bool {
	client, server := c.Client, c.Server
	if answer {
		client, server = server, client
	}
	if h.Source != client || h.Destination != server {
		return false
	}
	switch number := c.number; {
	case c.Protocol == SCTP:
		return len(h.Payload) > 2 && binary.BigEndian.Uint16(h.Payload) == number
	case c.Protocol == "icmp":
		return len(h.Payload) > 6 && binary.BigEndian.Uint16(h.Payload[4:]) == number
	case answer:
		return h.DestinationPort == number
	default:
		return h.SourcePort == number
	}
}

// TestPrivilegedRandomPackets draws clusters and connections, as FuzzTable does, and sends their packets through the
// kernel's table: what Judge allows comes out on the other side, answers too, and nothing else does.
func TestPrivilegedRandomPackets(t *testing.T) {
	r := newRouter(t)
	table, err := nft.Open(Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	number, passed := uint16(20000), 0
	for seed := range uint64(20) {
		d := newDice(1000 + seed)
		w := newWire(t, d.cluster())
		state, _ := Compile(w.Input)
		if err := table.Replace(t.Context(), state.Table); err != nil {
			t.Fatal(err)
		}
		var all []numbered
		pods := map[netip.Addr]bool{}
		for range 150 {
			c := numbered{d.between(w.Input), number}
			if w.iface(c.Client) == "" || w.iface(c.Server) == "" || c.Client == c.Server {
				continue // the node's own, which are not forwarded; a pod and itself meet only through a Service
			}
			number++
			all = append(all, c)
			for _, ip := range []netip.Addr{c.Client, c.Server} {
				if w.iface(ip) == podsLink {
					pods[ip] = true
				}
			}
		}
		r.to(pods)
		for _, answer := range []bool{false, true} {
			for _, c := range all {
				from := c.Client
				if answer {
					from = c.Server
				}
				r.write(r.outside[w.iface(from)], c.frame(answer))
			}
			came, kept := r.came(), []numbered{}
			for _, c := range all {
				to := c.Server
				if answer {
					to = c.Client
				}
				decision := w.judge(c.Connection)
				is := func(h packet.Header) bool { return c.is(h, answer) }
				if got := slices.ContainsFunc(came[w.iface(to)], is); got != decision.Allowed {
					t.Errorf("seed %d, %+v, answer %t: passed %t; Judge says %v", seed, c, answer, got, decision)
				} else if got && c.Protocol != SCTP && c.Protocol != "icmp" {
					kept = append(kept, c)
				}
			}
			all, passed = kept, passed+len(kept)
		}
	}
	t.Logf("%d connections, %d packets of TCP and UDP passed", number-20000, passed)
}

// TestPrivilegedRoutedDiscovery sends solicitations and advertisements to another link, with a hop limit of 255 as on
// their own: the node that forwards them counts a hop, and policies hold for them as for others.
func TestPrivilegedRoutedDiscovery(t *testing.T) {
	r := newRouter(t)
	table, err := nft.Open(Table, func() {})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, world(egress("out", with("app=a")), ingress("in", with("app=b"))))
	state, _ := Compile(w.Input)
	if err := table.Replace(t.Context(), state.Table); err != nil {
		t.Fatal(err)
	}
	r.to(map[netip.Addr]bool{addresses["a6"]: true, addresses["b6"]: true, addresses["c6"]: true})
	for _, c := range []struct {
		from, to string
		passes   bool
	}{{"a6", "outside6", false}, {"outside6", "b6", false}, {"c6", "outside6", true}, {"outside6", "c6", true}} {
		for _, kind := range []byte{135, 136} {
			to := numbered{Connection: Connection{Client: addresses[c.from], Server: addresses[c.to]}}
			r.write(r.outside[w.iface(to.Client)], to.discovery(kind))
			is := func(h packet.Header) bool {
				return h.Source == to.Client && h.Destination == to.Server && len(h.Payload) > 0 && h.Payload[0] == kind
			}
			if got := slices.ContainsFunc(r.came()[w.iface(to.Server)], is); got != c.passes {
				t.Errorf("type %d from %s to %s: passed %t", kind, c.from, c.to, got)
			}
		}
	}
}

// discovery is a message of neighbour discovery (RFC 4861, sections 4.3 and 4.4).
func (c numbered) discovery(kind byte) []byte {
	mac, _ := net.ParseMAC(nodeMAC)
	from, to := netip.AddrPortFrom(c.Client, 0), netip.AddrPortFrom(c.Server, 0)
	message := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, c.Client.AsSlice()...)
	pseudo := []byte{0, byte(len(message)), 0, packet.ICMPv6}
	binary.BigEndian.PutUint16(message[2:], ^sum(c.Client.AsSlice(), c.Server.AsSlice(), pseudo, message))
	f := packet.Frame{NextHop: mac, Protocol: packet.UDP, Source: from, Destination: to}
	b := c.other(f, packet.ICMPv6, message)
	b[21] = 255
	return b
}
