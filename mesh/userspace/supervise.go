package userspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Files of a device process beyond the standard three, by descriptor.
const (
	// TUNFile is the interface.
	TUNFile = 3 + iota
	// supervisorFile is a socket. The supervisor sends a frame with the settings to begin with. The device process sends a frame with
	// its own once it can be configured, and with each change of them; each is answered by one byte once it is kept.
	supervisorFile
)

// stopPatience is how long a device process may take to end after SIGTERM.
const stopPatience = 2 * time.Second

// supervisor has device processes drive an interface. It does not hold their UDP sockets: what peers send meanwhile belongs to
// sessions that ended with the last process.
type supervisor struct {
	cfg    Config
	tunnel *tunnel
	kept   *kept
	// settled says that some device process has been ready.
	settled bool
}

// supervise runs device processes until ctx ends or the interface is gone. One that ends before any was ready has its reasons, and a
// second would have them too.
func (s *supervisor) supervise(ctx context.Context) error {
	var pace backoff
	for {
		started := time.Now()
		err := s.device(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // It was to end.
		case !s.tunnel.exists():
			return errors.Join(ErrGone, s.kept.forget())
		case !s.settled:
			return fmt.Errorf("the device process did not start: %w", err)
		}
		delay := pace.after(time.Since(started))
		s.cfg.Log.Warn("device process ended, starting another", "iface", s.cfg.Name, "err", err, "delay", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// device runs one device process to its end.
func (s *supervisor) device(ctx context.Context) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd := exec.CommandContext(ctx, s.cfg.Command[0], s.cfg.Command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{s.tunnel.file, theirs}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	// A device process without a supervisor would keep the interface from the next one. The signal comes with the end of
	// the thread that started the process, so the thread is kept.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	_ = theirs.Close() // The process has its own; its end is then the pipe's.
	if err != nil {
		return fmt.Errorf("start the device process: %w", err)
	}
	told := make(chan error, 1)
	go func() { told <- s.attend(ours) }()
	return errors.Join(cmd.Wait(), <-told)
}

// attend tells a device process what to begin with, and keeps what it reports until it ends. How it ended is not its business.
func (s *supervisor) attend(process io.ReadWriter) error {
	if err := writeFrame(process, s.kept.settings); err != nil {
		return nil //nolint:nilerr // It has ended.
	}
	for first := true; ; first = false {
		settings, err := readFrame(process)
		if err != nil {
			return nil //nolint:nilerr // It has ended.
		}
		s.kept.set(settings)
		if _, err := process.Write([]byte{0}); err != nil {
			return nil //nolint:nilerr // It has ended.
		}
		if first {
			if err := s.ready(); err != nil {
				return err
			}
		}
	}
}

// ready is called when a device process can be configured.
func (s *supervisor) ready() error {
	s.settled = true
	if s.cfg.Ready != nil {
		s.cfg.Ready()
	}
	// Only now: a start that failed leaves nothing behind that was not there.
	return s.tunnel.persist()
}

// Delays before the next of device processes that end soon after their start. After one that lived longer there is none.
const (
	soon       = time.Second
	firstDelay = 10 * time.Millisecond
	maxDelay   = time.Second
)

// backoff paces restarts.
type backoff struct{ next time.Duration }

// after is how long to wait before the next start, after a process that lived so long.
func (b *backoff) after(lived time.Duration) time.Duration {
	if lived >= soon {
		b.next = 0
	}
	delay := b.next
	b.next = min(max(firstDelay, 2*delay), maxDelay)
	return delay
}
