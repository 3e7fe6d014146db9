package userspace

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

// roamInterval is how often the reporter compares endpoints: only the device notices that a peer roams. Reading the
// endpoints of thousands of peers costs the device what they do: it is done less often by roamPerPeer for each.
const (
	roamInterval = 5 * time.Second
	roamPerPeer  = 5 * time.Millisecond
)

func roamEvery(peers int) time.Duration { return max(roamInterval, time.Duration(peers)*roamPerPeer) }

// reporter tells the supervisor the device's settings. It ignores errors of the pipe: without a supervisor this process
// is about to be killed.
type reporter struct {
	dev        *device.Device
	supervisor *os.File

	mu sync.Mutex
	// told holds the settings that the supervisor has; nil before the first report.
	told []byte
	// sending is held while a frame is sent.
	sending sync.Mutex
}

// begin returns the settings to begin with, which the supervisor sends; nil if it sends none.
func (r *reporter) begin() []byte {
	settings, _ := readFrame(r.supervisor)
	return settings
}

// follow makes the first report, which says that clients can configure the device, and then reports peers that roam,
// until ctx ends.
func (r *reporter) follow(ctx context.Context) {
	for {
		r.report()
		timer := time.NewTimer(roamEvery(r.peers()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// report returns when the supervisor has the device's present settings.
func (r *reporter) report() {
	// Locked before the device is read, or newer settings that another goroutine reports could be overwritten.
	r.mu.Lock()
	defer r.mu.Unlock()
	config, err := r.dev.IpcGet()
	if err != nil {
		return // It is closed.
	}
	now := settings(config)
	if r.told != nil && bytes.Equal(now, r.told) {
		return
	}
	if err := r.send(now); err != nil {
		return
	}
	if _, err := r.supervisor.Read(make([]byte, 1)); err == nil {
		r.told = now
	}
}

// peers is how many peers the supervisor knows of.
func (r *reporter) peers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Count(r.told, []byte("public_key="))
}

func (r *reporter) send(frame []byte) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return writeFrame(r.supervisor, frame)
}

func (r *reporter) close() { _ = r.supervisor.Close() }

// settings turns the configuration that a device returns into one that can be set: it leaves out what UAPI only
// returns. It is empty for a device without a private key, whose port is a random one.
func settings(config string) []byte {
	b := bytes.NewBuffer(make([]byte, 0, len(config)))
	if !strings.HasPrefix(config, "private_key=") {
		return b.Bytes()
	}
	for line := range strings.Lines(config) {
		switch key, _, _ := strings.Cut(line, "="); key {
		case "protocol_version", "last_handshake_time_sec", "last_handshake_time_nsec", "tx_bytes", "rx_bytes", "errno":
		default:
			b.WriteString(line)
		}
	}
	return b.Bytes()
}
