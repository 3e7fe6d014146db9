package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"warren.mesh/test/lab/namespace"
)

// Program is what to start on a host.
type Program struct {
	// Name is for people.
	Name string
	// Path is absolute.
	Path string
	Args []string
	// Log is the file that its output is appended to.
	Log string
	// Files are inherited, from descriptor 3 on.
	Files []*os.File
}

// Process is a program that runs on a host, or has ended. It ends with its host.
type Process struct {
	Program
	cmd *exec.Cmd
	// ended is closed once err, the exit status, is there.
	ended chan struct{}
	err   error
}

// environment is the same for all: nothing of the caller's own leaks into what is tested.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
}

// Start starts a program in all namespaces of the host.
func (h *Host) Start(p Program) (*Process, error) {
	set, err := h.namespaces()
	if err != nil {
		return nil, err
	}
	return p.start(set)
}

func (p Program) start(set *namespace.Set) (*Process, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(p.Path, p.Args...)
	c.Stdout, c.Stderr, c.Env, c.Dir, c.ExtraFiles = log, log, environment, "/", p.Files
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := set.Start(c); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	running := &Process{Program: p, cmd: c, ended: make(chan struct{})}
	go func() {
		running.err = c.Wait()
		close(running.ended)
	}()
	return running, nil
}

// Signal sends s and waits for the end.
func (p *Process) Signal(s syscall.Signal, within time.Duration) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, p.Name, err)
	}
	if !p.Wait(within) {
		return fmt.Errorf("%s has not ended %v after %v", p.Name, within, s)
	}
	return nil
}

// PID is the process's, also after its end.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Suspend stops the process, calls during, and lets the process go on.
func (p *Process) Suspend(during func()) (err error) {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { err = p.cmd.Process.Signal(syscall.SIGCONT) }() // Also when during fails the test.
	during()
	return nil
}

// Wait waits until the process has ended and reports whether it has.
func (p *Process) Wait(within time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// ExitError is what exec.Cmd.Wait returned: nil for exit code 0. Only a process that has ended has one.
func (p *Process) ExitError() error {
	<-p.ended
	return p.err
}

// ExitCode is that of a process that has ended; -1 after a signal.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Running is nil while the process runs; otherwise it says how it ended, with the end of its log.
func (p *Process) Running() error {
	if !p.hasEnded() {
		return nil
	}
	return fmt.Errorf("%s has ended (%v), its log ends with:\n%s", p.Name, p.err, Tail(p.Log, 15))
}

// Absent is nil where the process has ended, or was never started (a nil Process). A second one beside it would refuse
// to start, sooner or later than somebody looks.
func (p *Process) Absent() error {
	if p == nil || p.hasEnded() {
		return nil
	}
	return fmt.Errorf("%s runs already", p.Name)
}

// Child is the PID of its one child. Each thread has a list of those that it has started (proc(5)).
func (p *Process) Child() (pid int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var all []byte
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			return 0, err
		}
		all = append(all, children...)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(all))); err != nil {
		err = fmt.Errorf("want one child of %s: %w", p.Name, err)
	}
	return pid, err
}
