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

// link is the TUN interface as the device uses it. It also tells the device when the link goes up or down.
type link struct {
	tun.Device
	index  int
	events chan tun.Event
	// retry has watch send EventUp once more.
	retry chan struct{}
	// closed is closed to end watch.
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

// Events returns the channel of changes of the link. It is closed when watch ends.
func (l *link) Events() <-chan tun.Event { return l.events }

// Close detaches from the interface, which continues to exist.
func (l *link) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Device.Close()
}

// Read reads packets. It wraps errors about a packet that cannot be cut into segments as ErrTooManySegments, after
// which the device continues to read; other errors would end it. It does not wrap errors of the file: then the
// interface is gone.
func (l *link) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := l.Device.Read(bufs, sizes, offset)
	var pathErr *fs.PathError
	if err == nil || errors.Is(err, os.ErrClosed) || errors.As(err, &pathErr) {
		return n, err
	}
	return n, fmt.Errorf("%w: %w", tun.ErrTooManySegments, err)
}

// ended returns why the device ended by itself: ErrGone if its interface was deleted. Otherwise another attempt would
// end in the same way.
func (l *link) ended() error {
	if _, err := netlink.LinkByIndex(l.index); errors.As(err, &netlink.LinkNotFoundError{}) {
		return ErrGone
	}
	return errors.New("the device closed although its interface exists: the log says why")
}

// up sets the device up again, after it went down because another process has its UDP port. It gets a random port then,
// and a client that sets the configured port gets the error; for a device that is down, setting it would succeed.
func (l *link) up() {
	select {
	case l.retry <- struct{}{}:
	default:
	}
}
