package userspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/tun"
)

// link is a TUN interface as the device sees it, and what tells the device of the link's state.
type link struct {
	tun.Device
	index  int
	events chan tun.Event
	// retry asks watch for one more EventUp.
	retry chan struct{}
	// closed ends watch, by closing.
	closed chan struct{}
	close  sync.Once
}

func newLink(dev tun.Device, index int) *link {
	return &link{
		Device: dev,
		index:  index,
		events: make(chan tun.Event),
		retry:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// Events tells the device of changes of the link. It is closed when watch ends.
func (l *link) Events() <-chan tun.Event { return l.events }

// Close detaches from the interface, which stays.
func (l *link) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Device.Close()
}

// Read hides from the device what would end it without need: packets that cannot be cut into segments. It counts as
// ErrTooManySegments, after which the device reads on. Errors of the file remain: the interface is gone.
func (l *link) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := l.Device.Read(bufs, sizes, offset)
	var pathErr *fs.PathError
	if err == nil || errors.Is(err, os.ErrClosed) || errors.As(err, &pathErr) {
		return n, err
	}
	return n, fmt.Errorf("%w: %w", tun.ErrTooManySegments, err)
}

// ended tells why the device came to its end by itself: mostly its interface was deleted. Where it was not, another
// attempt would end in the same way.
func (l *link) ended() error {
	if _, err := netlink.LinkByIndex(l.index); errors.As(err, &netlink.LinkNotFoundError{}) {
		return ErrGone
	}
	return errors.New("device closed though its interface exists: the log tells why")
}

// up brings the device up again: it went down with its UDP port, which somebody else has. Its port is then a random one,
// and the client that sets the wanted one gets the error; otherwise it would be told that all is well.
func (l *link) up() {
	select {
	case l.retry <- struct{}{}:
	default:
	}
}
