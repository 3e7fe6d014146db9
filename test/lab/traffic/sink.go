package traffic

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/namespace"
)

// sinkBuffer holds what arrives while this process is held up: some seconds of all flows.
const sinkBuffer = 16 << 20

// sink receives all flows to one host, in one goroutine.
type sink struct {
	conn  *net.UDPConn
	inbox *Inbox
}

// Inbox has the flows to one host, also while the host is off.
type Inbox struct {
	mu    sync.Mutex
	flows map[uint32]*Flow
}

// NewInbox is one without flows.
func NewInbox() *Inbox { return &Inbox{flows: map[uint32]*Flow{}} }

func (i *Inbox) add(f *Flow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flows[f.id] = f
}

func (i *Inbox) remove(f *Flow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.flows, f.id)
}

func (i *Inbox) find(id uint32) *Flow {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flows[id]
}

// newSink receives in the network namespace of set.
func newSink(set *namespace.Set, to *Inbox) (*sink, error) {
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

func (s *sink) dispatch(packet payload, at time.Time) {
	if !packet.valid() {
		return
	}
	if f := s.inbox.find(packet.flow()); f != nil {
		f.receive(packet.number(), at)
	}
}

func (s *sink) close() { _ = s.conn.Close() }
