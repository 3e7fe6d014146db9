package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"warren.mesh/mesh"
	"warren.mesh/mesh/loop"
)

// Config is what a Station needs.
type Config struct {
	// Node is the own Node's name.
	Node string
	// Open opens a socket at one of the own gateway addresses and at Port.
	Open func(own netip.Addr) (Socket, error)
	// Interval is how often some of the peers are asked in the background, with thousands of peers less often; zero
	// asks none.
	Interval time.Duration
	// Silent returns the Nodes of peers that have not answered what went to them. Some are asked in each round; nil
	// where nobody knows.
	Silent func() []string
	// Report takes what keeps the Station from asking and answering; nil when that is over.
	Report func(error)
}

// Station asks peers, and answers those that ask. Make one with New.
type Station struct {
	cfg     Config
	worker  *loop.Worker
	peers   directory
	pending pending
	rounds  rounds
	readers sync.WaitGroup

	mu    sync.Mutex
	own   [2]netip.Addr
	mtu   int
	conns [2]*conn
	said  string
}

// conn is an open socket of the own address of a family.
type conn struct {
	Socket
	own netip.Addr
	// broken is closed when the socket receives no more.
	broken chan struct{}
}

// looks is how often the sockets are compared with the mesh's interface: one that is made anew takes none along.
const looks = 2 * time.Second

// New returns a Station. It does nothing before Run.
func New(cfg Config) *Station {
	s := &Station{cfg: cfg}
	s.worker = loop.New(looks, s.pass)
	return s
}

// family is 0 for IPv4 and 1 for IPv6.
func family(ip netip.Addr) int {
	if ip.Is4() {
		return 0
	}
	return 1
}

// Set tells what the host has: its own addresses in the mesh, the mesh's MTU and the peers. Any goroutine may call it.
func (s *Station) Set(host mesh.State) {
	s.peers.set(host.Peers)
	var own [2]netip.Addr
	for _, p := range host.Link.Addresses {
		if i := family(p.Addr()); !own[i].IsValid() {
			own[i] = p.Addr()
		}
	}
	s.mu.Lock()
	changed := own != s.own
	s.own, s.mtu = own, host.Link.MTU
	s.mu.Unlock()
	if changed {
		s.worker.Poke()
	}
}

// Run answers peers, and asks some in the background, until ctx ends.
func (s *Station) Run(ctx context.Context) {
	var asking sync.WaitGroup
	asking.Go(func() { s.probe(ctx) })
	s.worker.Run(ctx)
	asking.Wait()
	s.mu.Lock()
	for i, c := range s.conns {
		if c != nil {
			_ = c.Close()
			s.conns[i] = nil
		}
	}
	s.mu.Unlock()
	s.readers.Wait()
}

// pass closes the sockets that are of no use any more, and opens those that are missing.
func (s *Station) pass(_ context.Context, _ bool) loop.Next {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for i, own := range s.own {
		if c := s.conns[i]; c != nil && c.useless(own) {
			_ = c.Close()
			s.conns[i] = nil
		}
		if s.conns[i] != nil || !own.IsValid() {
			continue
		}
		if err := s.open(i, own); err != nil {
			errs = append(errs, fmt.Errorf("answer probes at %v: %w", netip.AddrPortFrom(own, Port), err))
		}
	}
	err := errors.Join(errs...)
	s.say(err)
	return loop.Next{Failed: err != nil}
}

// say reports an error once.
func (s *Station) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.said {
		s.said = text
		s.cfg.Report(err)
	}
}

func (c *conn) useless(own netip.Addr) bool {
	select {
	case <-c.broken:
		return true
	default:
		return c.own != own || c.Stale()
	}
}

func (s *Station) open(i int, own netip.Addr) error {
	socket, err := s.cfg.Open(own)
	if err != nil {
		return err
	}
	c := &conn{socket, own, make(chan struct{})}
	s.conns[i] = c
	s.readers.Go(func() {
		defer close(c.broken)
		s.read(c)
	})
	return nil
}

// longest is the longest datagram.
const longest = 1 << 16

// read takes replies and answers requests until the socket is closed or fails.
func (s *Station) read(socket Socket) {
	answers := responder{knows: s.peers.knows}
	buffer := make([]byte, longest)
	for {
		n, from, err := socket.Receive(buffer)
		if err != nil {
			return
		}
		now, message := time.Now(), buffer[:n]
		if kind, nonce, ok := Decode(message); ok && kind == Reply {
			s.pending.reply(from, nonce, now)
		} else if reply := answers.answer(from, message, now); reply != nil {
			_ = socket.Send(reply, from) // one that is not sent is lost like any other
		}
	}
}

// conn returns the socket from which an address is asked; nil if there is none.
func (s *Station) conn(to netip.Addr) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[family(to)]
}
