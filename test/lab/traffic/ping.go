package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// The echo messages of ICMP (RFC 792) and ICMPv6 (RFC 4443).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// pingInterval is between two requests: the first may be lost while a handshake or a neighbour's address is awaited.
const pingInterval = 100 * time.Millisecond

// Ping sends echo requests from a host until one is answered, and returns that one's round-trip time. It gives up after
// Patience, or at once where the host's kernel refuses to send.
func Ping(from End, to netip.Addr) (time.Duration, error) {
	rtt, err := ping(from, to)
	if err != nil {
		return 0, fmt.Errorf("ping %v from %s: %w", to, from, err)
	}
	return rtt, nil
}

func ping(from End, to netip.Addr) (rtt time.Duration, err error) {
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	var conn *net.IPConn
	err = from.Do(func() (err error) {
		conn, err = net.DialIP(network, nil, &net.IPAddr{IP: to.AsSlice()})
		return err
	})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	p := pinger{conn: conn, v6: to.Is6(), id: uint16(os.Getpid())}
	return p.until(time.Now().Add(Patience))
}

type pinger struct {
	conn *net.IPConn
	v6   bool
	id   uint16
}

func (p pinger) until(deadline time.Time) (time.Duration, error) {
	for seq := uint16(1); ; seq++ {
		sent := time.Now()
		if _, err := p.conn.Write(p.request(seq)); err != nil {
			return 0, err
		}
		err := p.answered(seq, sent.Add(pingInterval))
		if err == nil {
			return time.Since(sent), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("no answer to %d requests in %v: %w", seq, Patience, err)
		}
	}
}

// answered reads until the reply to this request. Earlier ones are late, and others' are not ours.
func (p pinger) answered(seq uint16, deadline time.Time) error {
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	b := make([]byte, 1500)
	for {
		// Unlike Read, it strips the IPv4 header.
		n, _, err := p.conn.ReadFromIP(b)
		if err != nil {
			return err
		}
		if p.reply(b[:n], seq) {
			return nil
		}
	}
}

// request is an echo request. The kernel fills in ICMPv6's checksum, which covers addresses, but not ICMP's.
func (p pinger) request(seq uint16) []byte {
	b := make([]byte, 16)
	b[0] = echoRequest4
	if p.v6 {
		b[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(b[4:], p.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// reply recognises the reply to request seq.
func (p pinger) reply(b []byte, seq uint16) bool {
	want := byte(echoReply4)
	if p.v6 {
		want = echoReply6
	}
	return len(b) >= 8 && b[0] == want && binary.BigEndian.Uint16(b[4:]) == p.id &&
		binary.BigEndian.Uint16(b[6:]) == seq
}

// checksum is the Internet checksum (RFC 1071) of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
