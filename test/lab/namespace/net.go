package namespace

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Net is one network namespace. It exists for as long as it is open or mounted, or a thread or an interface's other end
// needs it.
type Net struct{ file *os.File }

// NewNet makes a network namespace and leaves the caller where it is. Its only interface is the loopback, which is
// down.
func NewNet() (*Net, error) {
	n := &Net{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return n, nil
}

// OpenNet opens the network namespace that path names. The error wraps os.ErrNotExist where nothing is there.
func OpenNet(path string) (*Net, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open a network namespace: %w", err)
	}
	return &Net{file}, nil
}

// Close closes the namespace. Sockets and processes in it keep it alive.
func (n *Net) Close() error { return n.file.Close() }

// Fd is the namespace's descriptor, for netlink's IFLA_NET_NS_FD. It belongs to n.
func (n *Net) Fd() int { return int(n.file.Fd()) }

// Path names the namespace for other processes, for as long as n is open and this process runs: ip(8) and CNI plugins
// take it in the place of a path below /run/netns.
func (n *Net) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Fd()) }

// Enter moves the calling goroutine into the namespace and locks it to its thread for good: the runtime ends a thread
// whose goroutine ends while locked, so no other goroutine ever finds itself there. A goroutine may enter one after
// another.
func (n *Net) Enter() error {
	runtime.LockOSThread()
	if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	return nil
}

// Do runs f in the namespace, on a thread of its own that ends with f. Sockets that f opens work everywhere, and
// processes that f starts run in the namespace.
func (n *Net) Do(f func() error) error {
	return onThread(func() error {
		if err := n.Enter(); err != nil {
			return err
		}
		return f()
	})
}

// Mount keeps the namespace without a process, at a path that must be free, until UnmountNet.
func (n *Net) Mount(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("mount a network namespace: %w", err)
	}
	err = file.Close()
	if err == nil {
		err = unix.Mount(n.Path(), path, "", unix.MS_BIND, "")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mount a network namespace on %s: %w", path, err), UnmountNet(path))
	}
	return nil
}

// UnmountNet removes what Mount made. It succeeds where nothing is there.
func UnmountNet(path string) error {
	// EINVAL: not a mount point; ENOENT: not there.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unmount the network namespace on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
