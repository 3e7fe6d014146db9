// Package namespace is the one place that changes a thread's Linux namespaces. A Net is a network namespace: for tests
// of every package, which use it from their _test.go files only. A Set holds all the namespaces of a process, and runs
// functions and starts processes there; whoever starts the first process makes them, by clone flags.
package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// kinds are the namespaces that a Set holds, in the order in which Start enters them: the mount namespace last, because
// what comes before it is opened by this process's paths.
var kinds = []string{"pid", "ipc", "uts", "net", "mnt"}

// Set holds the namespaces of one process open. They outlive the process for as long as the Set is open, but nothing
// can be started any more in a PID namespace whose first process has ended.
type Set struct {
	files map[string]*os.File
}

// Open opens the namespaces of the process with this PID. The error wraps os.ErrNotExist where there is no such
// process.
func Open(pid int) (*Set, error) {
	s := &Set{files: map[string]*os.File{}}
	for _, kind := range kinds {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the namespaces of process %d: %w", pid, err), s.Close())
		}
		s.files[kind] = f
	}
	return s, nil
}

// WithNet returns s with the network namespace that path names, for a pod: its own network, all else its node's. Close
// it with CloseNet.
func (s *Set) WithNet(path string) (*Set, error) {
	net, err := OpenNet(path)
	if err != nil {
		return nil, err
	}
	pod := &Set{files: map[string]*os.File{}}
	for kind, file := range s.files {
		pod.files[kind] = file
	}
	pod.files["net"] = net.file
	return pod, nil
}

// CloseNet closes the network namespace only: for what WithNet returned.
func (s *Set) CloseNet() error { return s.Net().Close() }

// Close closes all of them.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Net is the network namespace. It belongs to the Set.
func (s *Set) Net() *Net { return &Net{s.files["net"]} }

// Do runs f in the network namespace, as Net.Do does.
func (s *Set) Do(f func() error) error { return s.Net().Do(f) }

// Start starts c in all the namespaces. c.SysProcAttr may ask for further, nested ones.
//
// A child takes the namespaces of the thread that forks it. That saves nsenter, whose own process would stand between
// the caller and the child's PID, signals and exit status.
func (s *Set) Start(c *exec.Cmd) error {
	return onThread(func() error {
		// A thread that shares its working directory and root with others may not change its mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare a thread's working directory: %w", err)
		}
		for _, kind := range kinds {
			if err := s.enter(kind); err != nil {
				return err
			}
		}
		return c.Start()
	})
}

func (s *Set) enter(kind string) error {
	if err := unix.Setns(int(s.files[kind].Fd()), 0); err != nil {
		return fmt.Errorf("enter a %s namespace: %w", kind, err)
	}
	return nil
}

// The main thread cannot end with a goroutine. Left in another namespace it would stay there for good, and /proc/self
// shows the main thread's to everybody. Locked in init, it belongs to the main goroutine alone.
func init() { runtime.LockOSThread() }

// onThread runs f on a locked thread, which is never unlocked and so ends with f (see Net.Enter).
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		returned := false
		defer func() {
			// f may end the goroutine (t.FailNow) instead of returning.
			if !returned {
				done <- errors.New("the function did not return")
			}
		}()
		err := f()
		returned = true
		done <- err
	}()
	return <-done
}
