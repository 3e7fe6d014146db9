package wg

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// ErrHung means that a device has not answered for a while, although its process has not closed its socket.
var ErrHung = errors.New("the WireGuard device does not answer")

// patience is how long a call may take. A userspace device of 5,000 peers answers within a second, on a busy host a few
// later. Its supervisor replaces a process that hangs before, so this is for one that hangs together with its
// supervisor.
const patience = 5 * time.Second

// backend is what a Client uses of wgctrl.Client.
type backend interface {
	Device(name string) (*wgtypes.Device, error)
	ConfigureDevice(name string, cfg wgtypes.Config) error
	Close() error
}

var _ backend = (*wgctrl.Client)(nil)

// Client reads and configures WireGuard devices as wgctrl.Client does, through netlink or through the userspace
// process's socket in /var/run/wireguard, but gives up on one that does not answer. Make one with Open. Its methods may
// be called concurrently; one call runs at a time.
//
// wgctrl sets no deadline and lets nobody else set one, so a call on which the Client gives up goes on by itself, until
// the process answers or ends. Until then, other calls fail at once with ErrHung: there is never more than one, and
// what was asked last is also what is done last. After that a device must be read before it is configured, because
// nobody knows what it has.
type Client struct {
	backend backend
	// mu is held during a call, which ends in time.
	mu sync.Mutex
	// abandoned is closed when the call ends on which the Client gave up; nil if the device was read since.
	abandoned <-chan struct{}
}

// Open returns a Client. Netlink is of the caller's network namespace.
func Open() (*Client, error) {
	c, err := wgctrl.New()
	if err != nil {
		return nil, fmt.Errorf("open WireGuard's configuration interface: %w", err)
	}
	return newClient(c), nil
}

func newClient(b backend) *Client { return &Client{backend: b} }

// Close releases the netlink socket.
func (c *Client) Close() error { return c.backend.Close() }

// device returns the device of that name. The error wraps fs.ErrNotExist if there is none, and ErrHung if it does not
// answer.
func (c *Client) device(name string) (*wgtypes.Device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.abandoned:
		c.abandoned = nil
	default:
	}
	return call(c, func() (*wgtypes.Device, error) { return c.backend.Device(name) })
}

// configure configures the device of that name. The errors are those of device. After ErrHung the device may be
// configured nevertheless, later.
func (c *Client) configure(name string, cfg wgtypes.Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := call(c, func() (struct{}, error) { return struct{}{}, c.backend.ConfigureDevice(name, cfg) })
	return err
}

// call returns what fn returns, or ErrHung if that takes too long or the Client has given up on a call before. The
// caller holds mu.
func call[T any](c *Client, fn func() (T, error)) (value T, err error) {
	if c.abandoned != nil {
		return value, ErrHung
	}
	type result struct {
		value T
		err   error
	}
	results, ended := make(chan result, 1), make(chan struct{})
	go func() {
		defer close(ended)
		value, err := fn()
		results <- result{value, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-timer.C:
		c.abandoned = ended
		return value, ErrHung
	}
}
