package linux

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"warren.mesh/keys"
	"warren.mesh/mesh"
)

// remote is another node, as far as a machine's device sees it: a WireGuard device in this process, on the machine's
// loopback.
type remote struct {
	name string
	key  keys.Private
	at   netip.AddrPort
	tun  *tuntest.ChannelTUN
	// arrived are the packets that came through WireGuard.
	arrived chan []byte
}

// newRemote is a peer whose device knows the machine's.
func (m *machine) newRemote(name string, port uint16) *remote {
	m.Helper()
	key, err := keys.Generate()
	if err != nil {
		m.Fatal(err)
	}
	r := &remote{name: name, key: key, tun: tuntest.NewChannelTUN(), arrived: make(chan []byte, 1024)}
	r.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	d := device.NewDevice(r.tun.TUN(), &bindWithin{conn.NewDefaultBind(), m},
		device.NewLogger(device.LogLevelError, name+" "))
	m.Cleanup(d.Close)
	private, public := r.key.Reveal(), m.cfg.Key().Public()
	err = d.IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=%d\npublic_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=%s\n",
		hex.EncodeToString(private[:]), port, hex.EncodeToString(public[:]), m.cfg.Port, self(public).PodCIDRs[0]))
	if err != nil {
		m.Fatal(err)
	}
	go r.drain(m.T)
	return r
}

// drain keeps the device from waiting for its reader.
func (r *remote) drain(t *testing.T) {
	for {
		select {
		case packet := <-r.tun.Inbound:
			r.arrived <- packet
		case <-t.Context().Done():
			return
		}
	}
}

// peer is the remote as the machine is to know it.
func (r *remote) peer(allowed ...netip.Prefix) mesh.Peer {
	return mesh.Peer{PublicKey: r.key.Public(), Node: r.name, Endpoint: r.at, AllowedIPs: allowed}
}

// bindWithin opens its sockets in the machine's namespace, whichever thread the device opens them on.
type bindWithin struct {
	conn.Bind
	m *machine
}

func (b *bindWithin) Open(port uint16) (receive []conn.ReceiveFunc, actual uint16, err error) {
	var done sync.WaitGroup
	b.m.in(&done, func() { receive, actual, err = b.Bind.Open(port) })
	done.Wait()
	return receive, actual, err
}

// numbered sends numbered packets to one address, each when the one before it has arrived.
type numbered struct {
	socket net.Conn
	sent   uint64
}

// numberAt is behind the headers of IPv4 and UDP.
const numberAt = 20 + 8

// newNumbered must be called on the machine's thread.
func newNumbered(t *testing.T, to netip.Addr) *numbered {
	t.Helper()
	socket, err := net.Dial("udp", netip.AddrPortFrom(to, 9 /* discard, RFC 863 */).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return &numbered{socket: socket}
}

// next sends a packet and waits until either remote has it.
func (n *numbered) next(a, b *remote) error {
	n.sent++
	if _, err := n.socket.Write(binary.BigEndian.AppendUint64(nil, n.sent)); err != nil {
		return fmt.Errorf("packet %d: %w", n.sent, err)
	}
	// Far beyond what a handshake takes; a packet that is lost never comes.
	lost := time.After(15 * time.Second)
	for {
		var packet []byte
		select {
		case packet = <-a.arrived:
		case packet = <-b.arrived:
		case <-lost:
			return fmt.Errorf("packet %d is lost", n.sent)
		}
		if len(packet) == numberAt+8 && binary.BigEndian.Uint64(packet[numberAt:]) == n.sent {
			return nil
		}
	}
}

// during sends packets until do is done, and fails if one is lost.
func (n *numbered) during(t *testing.T, a, b *remote, do func()) {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan error)
	before := n.sent
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if err := n.next(a, b); err != nil {
				ended <- err
				return
			}
		}
	}()
	do()
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d packets sent meanwhile", n.sent-before)
}

// stray is an echo request to the machine from an address that is not of the peer by whose way it comes.
type stray struct {
	by   *remote
	from netip.Addr
	// own is an address of the peer's, owner the peer to which the machine would answer, and owners an address of that
	// one's.
	own    netip.Addr
	owner  *remote
	owners netip.Addr
}

// answered reports whether the machine answers. Requests that it must answer follow the stray one, first by the same
// way and then by the answer's: neither way changes the order.
func (s stray) answered(t *testing.T, machine netip.Addr) (answered bool) {
	t.Helper()
	s.by.tun.Outbound <- echoRequest(machine, s.from)
	s.by.tun.Outbound <- echoRequest(machine, s.own)
	answered = s.by.awaits(t, s.own, s.from)
	s.owner.tun.Outbound <- echoRequest(machine, s.owners)
	return s.owner.awaits(t, s.owners, s.from) || answered
}

// awaits waits for an answer to one address, and reports whether one to the other came before.
func (r *remote) awaits(t *testing.T, wanted, other netip.Addr) (found bool) {
	t.Helper()
	for {
		select {
		case packet := <-r.arrived:
			switch to, _ := netip.AddrFromSlice(packet[16:20]); to {
			case wanted:
				return found
			case other:
				found = true
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("%s has no answer to %v", r.name, wanted)
		}
	}
}

// echoRequest is one that a kernel answers: tuntest's has the wrong checksums.
func echoRequest(to, from netip.Addr) []byte {
	packet := tuntest.Ping(to, from)
	setChecksum(packet[:20], 10)
	setChecksum(packet[20:], 2)
	return packet
}

// setChecksum is RFC 1071's, over all of b, whose length is even.
func setChecksum(b []byte, at int) {
	clear(b[at : at+2])
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(b[at:], ^uint16(sum+sum>>16))
}
