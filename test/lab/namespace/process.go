package namespace

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Identity names one process for good: a PID is used again, its start time then differs.
type Identity struct {
	PID int
	// Start is in clock ticks since boot (field 22 of proc_pid_stat(5)).
	Start uint64
}

// Identify reads the identity of a running process. The error wraps os.ErrNotExist where there is none.
func Identify(pid int) (Identity, error) {
	start, _, err := stat(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Identity{PID: pid, Start: start}, nil
}

// Alive reports whether this very process still runs. One that has ended, but that its parent has not waited for, does
// not.
func (id Identity) Alive() bool {
	start, state, err := stat(id.PID)
	return err == nil && start == id.Start && state != 'Z'
}

func stat(pid int) (start uint64, state byte, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(text)
}

// parseStat reads fields 22 and 3; field 2 is the command in parentheses and may hold anything, parentheses and spaces
// included.
func parseStat(text []byte) (start uint64, state byte, err error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("not a /proc/PID/stat: %q", text)
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return start, fields[0][0], err
}

// Kill sends SIGKILL to this very process, waits until it has ended, and does nothing where it already had. Of the
// first process of a PID namespace that means that all others in it have ended too, and that whoever started any of
// those from outside has waited for it.
func (id Identity) Kill(within time.Duration) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	// Which error it is does not matter: kernels say ESRCH where no process has this PID, and where a thread of another
	// process has it, EINVAL before 6.15 and ENOENT since.
	if err != nil && !id.Alive() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer unix.Close(fd)
	// Asked after the descriptor holds the process, so that the PID cannot change hands in between.
	if !id.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("kill process %d: %w", id.PID, err)
	}
	return waitEnd(fd, id.PID, within)
}

func waitEnd(fd, pid int, within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(max(0, time.Until(deadline).Milliseconds())))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("process %d has not ended within %v of SIGKILL", pid, within)
		default:
			return nil
		}
	}
}
