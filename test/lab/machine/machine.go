// Package machine starts sets of Linux namespaces whose first process is the lab binary: what runs in them ends with
// it. It knows nothing of networks between machines.
package machine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/inside"
	"warren.mesh/test/lab/namespace"
)

// Machine is a set of namespaces with a first process, whose end is the end of everything in them.
type Machine struct {
	// Identity is the first process's.
	Identity namespace.Identity
	// Set holds the namespaces. It belongs to the Machine.
	Set *namespace.Set

	process *exec.Cmd
	// lifeline ends the machine when it is closed, also by the end of this process, unless inside.Keep was written.
	lifeline *os.File
}

// Boot is what a machine is started with.
type Boot struct {
	// Program is the lab binary.
	Program string
	// Machine says how its first process sets it up.
	Machine inside.Machine
	// Log is the file that the first process's errors are appended to.
	Log string
}

const newNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// KillTimeout bounds the end of a process after SIGKILL: the kernel takes namespaces of many interfaces apart
// meanwhile.
const KillTimeout = 30 * time.Second

// Start starts a machine and returns once it is set up.
func (b Boot) Start() (*Machine, error) {
	spec, err := json.Marshal(b.Machine)
	if err != nil {
		return nil, err
	}
	c := exec.Command(b.Program, "init", string(spec))
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: newNamespaces, Setsid: true}
	log, err := os.OpenFile(b.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.Stderr = log
	m := &Machine{process: c}
	if err := m.run(); err != nil {
		return nil, fmt.Errorf("start machine %s (log: %s): %w", b.Machine.Hostname, b.Log, err)
	}
	return m, nil
}

func (m *Machine) run() error {
	ready, err := m.pipes()
	if err != nil {
		return err
	}
	defer ready.Close()
	err = m.process.Start()
	// The child has its own descriptors of these.
	err = errors.Join(err, m.process.Stdin.(*os.File).Close(), m.process.Stdout.(*os.File).Close())
	if err != nil {
		return err
	}
	if line, err := bufio.NewReader(ready).ReadString('\n'); line != inside.Ready {
		return errors.Join(fmt.Errorf("it ended before it was set up: %w", err), m.process.Wait())
	}
	return m.open()
}

// pipes connects the first process: its output says when it is ready, its input ends it.
func (m *Machine) pipes() (ready *os.File, err error) {
	ready, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	m.process.Stdout = out
	in, lifeline, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ready.Close(), out.Close())
	}
	m.process.Stdin, m.lifeline = in, lifeline
	return ready, nil
}

func (m *Machine) open() (err error) {
	if m.Identity, err = namespace.Identify(m.process.Process.Pid); err != nil {
		return err
	}
	m.Set, err = namespace.Open(m.Identity.PID)
	return err
}

// Kill ends the machine and everything in it, and waits until it is gone.
func (m *Machine) Kill() error {
	err := errors.Join(m.Identity.Kill(KillTimeout), m.lifeline.Close())
	// Its exit status is that of SIGKILL, or of an earlier end.
	_ = m.process.Wait()
	return errors.Join(err, m.Set.Close())
}

// Keep makes the machine outlive this process.
func (m *Machine) Keep() error {
	_, err := io.WriteString(m.lifeline, inside.Keep)
	// Until this process waits for it, it would linger as a zombie, whoever ends it.
	go func() { _ = m.process.Wait() }()
	return errors.Join(err, m.lifeline.Close())
}

// Path is where a file of the machine's mount namespace is for this process. Absolute symbolic links on the way would
// lead astray.
func (m *Machine) Path(inner string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.Identity.PID, inner)
}
