package userspace

import (
	"os"
	"runtime/debug"
)

const (
	// perPeer is the memory in bytes that the device takes for a peer, whatever its traffic: two goroutines and three
	// queues. 5,000 peers that do not answer have a live heap of 190 MB.
	perPeer = 38 << 10
	// mostGarbage is the garbage in bytes that a device may keep besides.
	mostGarbage = 32 << 20
)

// collectGarbage sets how often garbage is collected in a process with so many peers, unless the operator has. By
// default there is as much garbage as there is memory in use, which is mostly the peers' here and never garbage.
func collectGarbage(peers int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent(peers))
	}
}

// garbagePercent returns the value for GOGC, which is at most Go's default, 100.
func garbagePercent(peers int) int { return min(100, 100*mostGarbage/max(1, perPeer*peers)) }
