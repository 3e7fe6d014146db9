package lab

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

// program is what to run in a machine.
type program struct {
	name string
	path string
	args []string
	// log is appended to.
	log string
	// files are inherited, from descriptor 3 on.
	files []*os.File
}

// process is a program that runs, or has ended.
type process struct {
	program
	cmd   *exec.Cmd
	ended chan struct{}
	// err is the exit status; read after ended is closed.
	err error
}

// environment is the same for all: nothing of the caller's own leaks into what is tested.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
}

// run starts p in the namespaces.
func (p program) run(set *namespace.Set) (*process, error) {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(p.path, p.args...)
	c.Stdout, c.Stderr, c.Env, c.Dir, c.ExtraFiles = log, log, environment, "/", p.files
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := set.Start(c); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	running := &process{program: p, cmd: c, ended: make(chan struct{})}
	go func() {
		running.err = c.Wait()
		close(running.ended)
	}()
	return running, nil
}

// signal sends s and waits for the end.
func (p *process) signal(s syscall.Signal, within time.Duration) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s has not ended %v after %v", p.name, within, s)
	}
}

// running is nil while it runs, and says how it ended otherwise.
func (p *process) running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended (%v), its log ends with:\n%s", p.name, p.err, tail(p.log, 15))
	default:
		return nil
	}
}

// absent is nil where it has ended, or was never started (a nil process). A second one beside it would refuse to start, sooner or
// later than somebody looks.
func (p *process) absent() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	default:
		return fmt.Errorf("%s runs already", p.name)
	}
}

// child is the PID of its one child. Each thread has a list of those that it has started (proc(5)).
func (p *process) child() (pid int, err error) {
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
		err = fmt.Errorf("want one child of %s: %w", p.name, err)
	}
	return pid, err
}
