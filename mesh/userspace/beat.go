package userspace

import (
	"context"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

const (
	// beatInterval is how often a device process tells its supervisor that it answers.
	beatInterval = 500 * time.Millisecond
	// mostMissed is how many beats in a row may be missing from a process that does nothing: 2 seconds. If another is,
	// the supervisor kills the process.
	mostMissed = 4
	// mostBusy is the same for a process that uses the processor: 30 seconds. A device that begins handshakes with
	// thousands of peers on a busy host has been silent for several.
	mostBusy = 60
	// setPatience is how long the device may take to be configured. The settings of thousands of peers take it seconds
	// on a busy host. After that it counts as hung, and the process sends no more beats.
	setPatience = 30 * time.Second
)

// beat is the frame by which a device process says that it answers. It is no settings.
var beat = []byte{0}

// listen returns false when too many beats in a row were missing, and true when the process has ended. busy reports
// whether the process has used the processor since the last call. listen counts its own ticks and not the time: if the
// whole machine has stood still, or this process had no processor either, the device process gets its time.
func listen(heard, ended <-chan struct{}, busy func() bool) bool {
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	for missed, idle := 0, 0; ; {
		select {
		case <-ended:
			return true
		case <-heard:
			missed, idle = 0, 0
		case <-tick.C:
			missed++
			if idle++; busy() {
				idle = 0
			}
			if idle > mostMissed || missed > mostBusy {
				return false
			}
		}
	}
}

// keepBeating sends beats while the device answers, until ctx ends.
func (r *reporter) keepBeating(ctx context.Context) {
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	asked, answered := time.Now(), probe(r.dev)
	for {
		select {
		case <-answered:
			asked, answered = time.Now(), probe(r.dev)
		default:
		}
		if time.Since(asked) < setPatience {
			_ = r.send(beat) // Without a supervisor this process is about to be killed.
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// probe returns a channel that is closed when the device could be configured. It sets nothing, but that takes the lock
// that every request takes.
func probe(dev *device.Device) <-chan struct{} {
	answered := make(chan struct{})
	go func() {
		_ = dev.IpcSetOperation(strings.NewReader("\n"))
		close(answered)
	}()
	return answered
}
