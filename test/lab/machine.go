package lab

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

// machine is a set of namespaces with a first process, whose end is the end of everything in them.
type machine struct {
	identity namespace.Identity
	set      *namespace.Set

	process *exec.Cmd
	// lifeline ends the machine when it is closed, by whoever or whatever, unless inside.Keep was written.
	lifeline *os.File
}

// boot is what a machine is started with.
type boot struct {
	// program is the lab binary.
	program string
	machine inside.Machine
	// log gets what the first process has to say.
	log string
}

const newNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// killTimeout bounds the end of a process after SIGKILL: the kernel takes namespaces of many interfaces apart meanwhile.
const killTimeout = 30 * time.Second

// start starts a machine and returns once it is set up.
func (b boot) start() (*machine, error) {
	spec, err := json.Marshal(b.machine)
	if err != nil {
		return nil, err
	}
	c := exec.Command(b.program, "init", string(spec))
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: newNamespaces, Setsid: true}
	log, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.Stderr = log
	m := &machine{process: c}
	if err := m.run(); err != nil {
		return nil, fmt.Errorf("start machine %s (log: %s): %w", b.machine.Hostname, b.log, err)
	}
	return m, nil
}

func (m *machine) run() error {
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
func (m *machine) pipes() (ready *os.File, err error) {
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

func (m *machine) open() (err error) {
	if m.identity, err = namespace.Identify(m.process.Process.Pid); err != nil {
		return err
	}
	m.set, err = namespace.Open(m.identity.PID)
	return err
}

// kill ends the machine and everything in it, and waits until it is gone.
func (m *machine) kill() error {
	err := errors.Join(m.identity.Kill(killTimeout), m.lifeline.Close())
	// Its exit status is that of SIGKILL, or of an earlier end.
	_ = m.process.Wait()
	return errors.Join(err, m.set.Close())
}

// keep has the machine outlive this process.
func (m *machine) keep() error {
	_, err := io.WriteString(m.lifeline, inside.Keep)
	// Whoever ends it later, it is this process that it would linger for.
	go func() { _ = m.process.Wait() }()
	return errors.Join(err, m.lifeline.Close())
}

// path is where a file of the machine's mount namespace is for this process. Absolute symbolic links on the way would lead
// astray.
func (m *machine) path(inner string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.identity.PID, inner)
}
