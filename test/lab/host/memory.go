package host

import (
	"fmt"
	"os"
	"strings"
)

// PeakMemory is the most memory, in bytes, that the process with this PID has had in use at one time (VmHWM of
// proc(5)).
func PeakMemory(pid int) (peak int, err error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(line, "%d kB", &peak); err != nil {
		return 0, fmt.Errorf("%s: no VmHWM: %w", path, err)
	}
	return peak << 10, nil
}
