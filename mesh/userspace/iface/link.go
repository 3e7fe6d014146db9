package iface

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/tun"
)

// ErrGone says that the interface was deleted.
var ErrGone = errors.New("interface was deleted")

// Link is the TUN interface as the device uses it. It also tells the device when the link goes up or down.
type Link struct {
	tun.Device
	index  int
	events chan tun.Event
	// retry has Watch send EventUp once more.
	retry chan struct{}
	// closed is closed to end Watch.
	closed chan struct{}
	close  sync.Once
}

// Inherit takes over the interface of this name, which the supervisor passes as file descriptor fd.
func Inherit(name string, fd int) (*Link, error) {
	// Not tun.CreateTUN: it sets the MTU of an interface that exists, and its listener ends the device when a burst of
	// netlink messages overruns its socket.
	dev, found, err := tun.CreateUnmonitoredTUNFromFD(fd)
	if err == nil && found != name {
		err = errors.Join(fmt.Errorf("descriptor %d is %s", fd, found), dev.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("take over %s from the supervisor: %w", name, err)
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look for interface %s: %w", name, err), dev.Close())
	}
	return newLink(dev, l.Attrs().Index), nil
}

func newLink(dev tun.Device, index int) *Link {
	return &Link{
		Device: dev,
		index:  index,
		events: make(chan tun.Event),
		retry:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// Events returns the channel of changes of the link. It is closed when Watch ends.
func (l *Link) Events() <-chan tun.Event { return l.events }

// Close detaches from the interface, which continues to exist.
func (l *Link) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Device.Close()
}

// Read reads packets, and mends their checksums. It wraps errors about a packet that cannot be cut into segments as
// ErrTooManySegments, after which the device continues to read; other errors would end it. It does not wrap errors of
// the file: then the interface is gone.
func (l *Link) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := l.Device.Read(bufs, sizes, offset)
	for i := range n {
		mendChecksum(bufs[i][offset:][:sizes[i]])
	}
	var pathErr *fs.PathError
	if err == nil || errors.Is(err, os.ErrClosed) || errors.As(err, &pathErr) {
		return n, err
	}
	return n, fmt.Errorf("%w: %w", tun.ErrTooManySegments, err)
}

// Ended returns why the device ended by itself: ErrGone if its interface was deleted. Otherwise another attempt would
// end in the same way.
func (l *Link) Ended() error {
	if _, err := netlink.LinkByIndex(l.index); errors.As(err, &netlink.LinkNotFoundError{}) {
		return ErrGone
	}
	return errors.New("the device closed although its interface exists: the log says why")
}

// Retry sets the device up again, after it went down because another process has its UDP port. It gets a random port
// then, and a client that sets the configured port gets the error; for a device that is down, setting it would succeed.
func (l *Link) Retry() {
	select {
	case l.retry <- struct{}{}:
	default:
	}
}
