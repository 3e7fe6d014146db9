package lab

import (
	"fmt"
	"os"
	"strings"
)

// DevicePeak is the most memory, in bytes, that the node's process with the device has had in use at one time (VmHWM of proc(5)).
func (n *Node) DevicePeak(t TB) int {
	t.Helper()
	child, err := n.device.child()
	var peak int
	if err == nil {
		peak, err = peakOf(child)
	}
	if err != nil {
		t.Fatalf("memory of the device of %s: %v", n.Name, err)
	}
	return peak
}

func peakOf(pid int) (peak int, err error) {
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
