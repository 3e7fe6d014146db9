package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Socket sends and receives datagrams at one gateway address of this node, through the mesh's interface and nothing
// else. It sends each in one piece: what is too large for the way is lost, and what is too large for the interface is
// an error. Its methods may be called concurrently.
type Socket interface {
	Send(message []byte, to netip.AddrPort) error
	// Receive waits for a datagram. It returns an error when the socket is closed.
	Receive(buffer []byte) (n int, from netip.AddrPort, err error)
	// Stale reports whether the mesh's interface is another one than when the socket was opened, or none.
	Stale() bool
	Close() error
}

// errNoAnswer says that a probe was not answered in time.
var errNoAnswer = errors.New("no answer")

// pending are the requests that are under way. Its methods may be called concurrently.
type pending struct {
	mu  sync.Mutex
	all map[Nonce]request
}

type request struct {
	to netip.Addr
	// answered gets the time of the reply.
	answered chan time.Time
}

func (p *pending) add(to netip.Addr) (Nonce, request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[Nonce]request{}
	}
	nonce, r := newNonce(), request{to, make(chan time.Time, 1)}
	p.all[nonce] = r
	return nonce, r
}

func (p *pending) remove(nonce Nonce) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, nonce)
}

// reply takes a reply. One that nobody waits for, or that comes from elsewhere, is none.
func (p *pending) reply(from netip.AddrPort, nonce Nonce, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, waits := p.all[nonce]; waits && from == netip.AddrPortFrom(r.to, Port) {
		delete(p.all, nonce)
		r.answered <- now
	}
}

// exchange sends one request, an IP packet of so many bytes, and returns how long its reply took. The error wraps
// errNoAnswer after wait.
func (p *pending) exchange(
	ctx context.Context, socket Socket, to netip.Addr, size int, wait time.Duration,
) (time.Duration, error) {
	nonce, r := p.add(to)
	defer p.remove(nonce)
	began := time.Now()
	if err := socket.Send(Encode(Request, nonce, size-headers(to)), netip.AddrPortFrom(to, Port)); err != nil {
		return 0, err
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case at := <-r.answered:
		return at.Sub(began), nil
	case <-late.C:
		return 0, errNoAnswer
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
