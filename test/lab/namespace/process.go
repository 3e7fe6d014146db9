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
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	start, err := startTime(stat)
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Identity{PID: pid, Start: start}, nil
}

// startTime parses field 22; field 2 is the command in parentheses and may hold anything, parentheses and spaces included.
func startTime(stat []byte) (uint64, error) {
	_, rest, ok := cutLast(stat, []byte(") "))
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, fmt.Errorf("not a /proc/PID/stat: %q", stat)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

func cutLast(b, separator []byte) (before, after []byte, found bool) {
	i := bytes.LastIndex(b, separator)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+len(separator):], true
}

// Alive reports whether this very process still runs (or is dead, but not yet waited for).
func (id Identity) Alive() bool {
	now, err := Identify(id.PID)
	return err == nil && now == id
}

// Kill sends SIGKILL to this very process, waits until it has ended, and does nothing where it already had. Of the first
// process of a PID namespace that means that all others in it have ended too.
func (id Identity) Kill(within time.Duration) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err == unix.ESRCH {
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
