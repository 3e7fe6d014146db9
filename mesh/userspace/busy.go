package userspace

import (
	"fmt"
	"os"
	"strings"
)

// busyMeter returns a function that reports whether a process has used the processor since its last call, to a
// hundredth of a second. It is false for a process that is not there.
func busyMeter(pid int) func() bool {
	before := processorTime(pid)
	return func() bool {
		now := processorTime(pid)
		used := now != before
		before = now
		return used
	}
}

// processorTime returns the time that a process has used the processor, in user mode and in the kernel, as proc(5)
// has it; empty if it is not there. What precedes it may contain spaces, in parentheses: the program's name.
func processorTime(pid int) string {
	const utime, stime = 11, 12 // Fields after the name.
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= stime {
		return ""
	}
	return fields[utime] + " " + fields[stime]
}
