package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/namespace"
)

// A flow's packet: 8 bytes that say whether the underlay may see it, the flow's number (4) and the packet's (8), big endian.
const headerSize = 24

// The first bytes of every flow's packets. Nothing else on a lab's networks has them.
var (
	secretMagic = []byte("wrnSECRT")
	plainMagic  = []byte("wrnplain")
)

func magic(plain bool) []byte {
	if plain {
		return plainMagic
	}
	return secretMagic
}

// sinkBuffer holds what arrives while this process is held up: some seconds of all flows.
const sinkBuffer = 16 << 20

// sink receives all flows to one host, in one goroutine.
type sink struct {
	conn  *net.UDPConn
	inbox *inbox
}

// inbox has the flows to one host, also while the host is off.
type inbox struct {
	mu    sync.Mutex
	flows map[uint32]*Flow
}

func newInbox() *inbox { return &inbox{flows: map[uint32]*Flow{}} }

func (i *inbox) add(f *Flow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flows[f.id] = f
}

func (i *inbox) remove(f *Flow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.flows, f.id)
}

func (i *inbox) find(id uint32) *Flow {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flows[id]
}

// newSink receives in the network namespace of set.
func newSink(set *namespace.Set, to *inbox) (*sink, error) {
	s := &sink{inbox: to}
	err := set.Do(func() error {
		conn, err := net.ListenPacket("udp", fmt.Sprintf(":%d", FlowPort))
		if err != nil {
			return err
		}
		s.conn = conn.(*net.UDPConn)
		return control(s.conn, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sinkBuffer)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("receive flows: %w", err)
	}
	go s.run()
	return s, nil
}

func (s *sink) run() {
	b := make([]byte, 1<<16)
	for {
		n, _, err := s.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.dispatch(b[:n], time.Now())
		}
	}
}

func (s *sink) dispatch(packet []byte, at time.Time) {
	if len(packet) < headerSize || !bytes.HasPrefix(packet, secretMagic) && !bytes.HasPrefix(packet, plainMagic) {
		return
	}
	if f := s.inbox.find(binary.BigEndian.Uint32(packet[8:])); f != nil {
		f.receive(binary.BigEndian.Uint64(packet[12:]), at)
	}
}

func (s *sink) close() { _ = s.conn.Close() }
