package host

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// PeakMemory is the most memory, in bytes, that the process with this PID has had in use at one time (VmHWM of
// proc(5)).
func PeakMemory(pid int) (peak int, err error) { return memory(pid, "VmHWM") }

// Memory is how much memory, in bytes, the process with this PID has in use (VmRSS of proc(5)).
func Memory(pid int) (resident int, err error) { return memory(pid, "VmRSS") }

func memory(pid int, field string) (bytes int, err error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, line, _ := strings.Cut(string(status), field+":")
	if _, err := fmt.Sscanf(line, "%d kB", &bytes); err != nil {
		return 0, fmt.Errorf("%s: no %s: %w", path, field, err)
	}
	return bytes << 10, nil
}

// tick is the unit of times in /proc: USER_HZ, which is 100 on every architecture that Go knows.
const tick = 10 * time.Millisecond

// ProcessorTime is how long the process with this PID has used a processor, in user and system mode together (utime and
// stime of proc(5)).
func ProcessorTime(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have spaces; state is the first field after it, and utime the twelfth.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %d fields after the name", path, len(fields))
	}
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(user+system) * tick, nil
}
