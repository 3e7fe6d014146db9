package userspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"warren.mesh/internal/hostdir"
	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/userspace/iface"
)

// The file descriptors that a device process inherits, beyond the standard three.
const (
	// TUNFile is the descriptor of the TUN interface.
	TUNFile = 3 + iota
	// supervisorFile is the descriptor of the pipe to the supervisor. The supervisor sends one frame with the settings
	// to begin with. The device process sends a frame with its settings when it can be configured, and after each
	// change. The supervisor answers each with one byte, when it has saved the settings. All the time, the device
	// process sends beats, which are not answered.
	supervisorFile
)

// stopPatience is how long a device process may take to end after SIGTERM, before it is killed.
const stopPatience = 2 * time.Second

// supervisor runs device processes, one after another. It does not hold their UDP sockets: what peers send between two
// processes belongs to sessions that ended with the first.
type supervisor struct {
	cfg   Config
	tun   *iface.TUN
	saved *savedConfig
	// succeeded says that a device process has been ready.
	succeeded bool
}

// supervise runs device processes until ctx ends, the interface is deleted or the host has lost the directory of UAPI
// sockets, where no client would find another one's. It returns an error if one ends before any was ready: another
// would end for the same reason.
func (s *supervisor) supervise(ctx context.Context) error {
	return serveUntilLoss(ctx, hostdir.At(SocketDir).Lost, s.processes)
}

// processes runs device processes as supervise does, in a directory that is there.
func (s *supervisor) processes(ctx context.Context) error {
	pace := loop.Backoff{First: firstDelay, Most: mostDelay}
	for {
		started := time.Now()
		err := s.device(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // The process had to end.
		case !s.tun.Exists():
			return errors.Join(ErrGone, s.saved.forget())
		case !s.succeeded:
			return fmt.Errorf("the device process did not start: %w", err)
		}
		delay := restartDelay(&pace, time.Since(started))
		s.cfg.Log.Warn("device process ended, starting another", "iface", s.cfg.Name, "err", err, "delay", delay)
		if !loop.Sleep(ctx, delay) {
			return nil
		}
	}
}

// device runs one device process until it ends.
func (s *supervisor) device(ctx context.Context) error {
	ours, theirs, err := newPipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd := exec.CommandContext(ctx, s.cfg.Command[0], s.cfg.Command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{s.tun.File, theirs}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	// A device process that outlives its supervisor would keep the interface busy. The kernel sends the signal when the
	// thread that started the process ends, so this goroutine keeps its thread.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	_ = theirs.Close() // The child has its own descriptor, and the pipe ends with the child.
	if err != nil {
		return fmt.Errorf("start the device process: %w", err)
	}
	heard, ended := make(chan struct{}, 1), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		if !listen(heard, ended, busyMeter(cmd.Process.Pid)) {
			s.cfg.Log.Warn("device process does not answer, killing it", "iface", s.cfg.Name)
			_ = cmd.Process.Kill() // It fails if the process ends just now.
		}
	})
	attended := make(chan error, 1)
	go func() { attended <- s.attend(ours, heard) }()
	err = cmd.Wait()
	close(ended)
	watching.Wait()
	return errors.Join(err, <-attended)
}

// attend sends a device process the settings to begin with and saves the settings that it reports, until it ends. It
// passes on that something was heard. The end of the process is no error here.
func (s *supervisor) attend(process io.ReadWriter, heard chan<- struct{}) error {
	if err := writeFrame(process, s.saved.settings); err != nil {
		return nil //nolint:nilerr // It has ended.
	}
	for first := true; ; {
		settings, err := readFrame(process)
		if err != nil {
			return nil //nolint:nilerr // It has ended.
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if bytes.Equal(settings, beat) {
			continue
		}
		s.saved.set(settings)
		if _, err := process.Write([]byte{0}); err != nil {
			return nil //nolint:nilerr // It has ended.
		}
		if first {
			if err := s.ready(); err != nil {
				return err
			}
		}
		first = false
	}
}

// ready notes that clients can configure a device process.
func (s *supervisor) ready() error {
	s.succeeded = true
	if s.cfg.Ready != nil {
		s.cfg.Ready()
	}
	// Only now: an interface that did not exist before goes away with a start that fails.
	return s.tun.Persist()
}

// Delays between the end of a device process and the start of the next one. A process that ran for at least longEnough
// is followed at once.
const (
	longEnough = time.Second
	firstDelay = 10 * time.Millisecond
	mostDelay  = time.Second
)

// restartDelay returns how long to wait after a process that ran for this time.
func restartDelay(pace *loop.Backoff, ran time.Duration) time.Duration {
	if ran >= longEnough {
		pace.Reset()
		return 0
	}
	return pace.Next()
}
