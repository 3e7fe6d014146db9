package namespace

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OneCPU keeps the calling test on one CPU for good, so that packets which it sends one after the other arrive in that
// order: the kernel handles them where they are sent.
func OneCPU(t TB) {
	t.Helper()
	runtime.LockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatalf("%v", err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatalf("%v", err)
	}
}
