package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/tb"
)

// streamPort is where stations listen, between the ports that every host has.
const streamPort = 8085

// station is the end of streams on one host.
type station struct {
	mu      sync.Mutex
	streams []*stream
	udp     net.PacketConn
	// answers are the streams over UDP that are answered.
	answers map[uint64]bool
	ctx     context.Context
	running sync.WaitGroup
}

// newStation listens at a host's streamPort, until the test ends.
func newStation(t *testing.T, on *host.Host) *station {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &station{ctx: ctx, answers: map[uint64]bool{}}
	address := fmt.Sprintf(":%d", streamPort)
	tcp := on.Listen(t, "tcp", address)
	s.udp = on.ListenPacket(t, "udp", address)
	roomy(t, s.udp)
	s.running.Go(func() { s.accept(tcp) })
	s.running.Go(s.receive)
	t.Cleanup(func() {
		cancel()
		_, _ = tcp.Close(), s.udp.Close()
		s.running.Wait()
	})
	return s
}

func (s *station) stream(number uint64) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[number]
}

func (s *station) accept(tcp net.Listener) {
	for {
		conn, err := tcp.Accept()
		if err != nil {
			return
		}
		context.AfterFunc(s.ctx, func() { _ = conn.Close() })
		s.running.Go(func() {
			text := make([]byte, messageSize)
			if _, err := io.ReadFull(conn, text); err != nil {
				return
			}
			number := binary.BigEndian.Uint64(text)
			of := s.stream(number)
			of.up.take(binary.BigEndian.Uint64(text[8:]))
			s.running.Go(func() { of.down.write(s.ctx, number, s.writer(conn)) })
			of.up.read(conn)
		})
	}
}

// writer returns what hands a message to the connection and never waits: where TCP would, because nothing is
// acknowledged any more, the message is lost like a datagram.
func (s *station) writer(conn net.Conn) func([]byte) error {
	waiting := make(chan []byte, 16)
	s.running.Go(func() {
		for {
			select {
			case <-s.ctx.Done():
				return
			case text := <-waiting:
				_, _ = conn.Write(text)
			}
		}
	})
	return func(text []byte) error {
		select {
		case waiting <- text:
			return nil
		default:
			return errors.New("the connection takes no more")
		}
	}
}

// datagrams returns what sends a message at once: UDP never waits, and what a queue here would drop looks lost on its
// way.
func datagrams(conn net.Conn) func([]byte) error {
	return func(text []byte) error {
		_, err := conn.Write(text)
		return err
	}
}

func (s *station) receive() {
	text := make([]byte, 2*messageSize)
	for {
		n, from, err := s.udp.ReadFrom(text)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil || n != messageSize {
			continue
		}
		number := binary.BigEndian.Uint64(text)
		of := s.stream(number)
		of.up.take(binary.BigEndian.Uint64(text[8:]))
		if !s.answers[number] {
			s.answers[number] = true
			s.running.Go(func() {
				of.down.write(s.ctx, number, func(text []byte) error {
					_, err := s.udp.WriteTo(text, from)
					return err
				})
			})
		}
	}
}

// start starts a stream from a client to the station at an address, and waits until both ways arrive.
func (s *station) start(t *testing.T, from *host.Host, network string, to netip.AddrPort) *stream {
	t.Helper()
	st := &stream{name: fmt.Sprintf("%s → %v over %s", from.Name, to, network)}
	s.mu.Lock()
	number := uint64(len(s.streams))
	s.streams = append(s.streams, st)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), tb.Bound(patience))
	defer cancel()
	conn, err := from.Dial(ctx, network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	send := s.writer
	if network == "udp" {
		roomy(t, conn)
		send = datagrams
	}
	context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	s.running.Go(func() { st.up.write(s.ctx, number, send(conn)) })
	s.running.Go(func() { readAll(s.ctx, network, conn, &st.down) })
	lab.Wait(t, patience, st.name, func() error { return st.wantBoth(mark{}) })
	return st
}

// readAll reads past the errors that a UDP socket reports of what it has sent.
func readAll(ctx context.Context, network string, conn net.Conn, into *way) {
	for into.read(conn); network == "udp" && ctx.Err() == nil; {
		into.read(conn)
	}
}

// roomy gives a UDP socket room for what a busy machine reads late: else the kernel drops it there, and it looks lost
// on its way.
func roomy(t *testing.T, socket any) {
	t.Helper()
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var forced error
	err = raw.Control(func(fd uintptr) {
		forced = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	})
	if err := errors.Join(err, forced); err != nil {
		t.Fatal(err)
	}
}
