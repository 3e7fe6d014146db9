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

// roaming is how often endpoints are looked at: a peer that moves tells nobody but the device.
const roaming = 5 * time.Second

// reporter tells the supervisor how the device is set up. Without one, which is noticed by errors, it does nothing: the process is
// about to be killed.
type reporter struct {
	dev        *device.Device
	supervisor *os.File

	mu sync.Mutex
	// told is what the supervisor has; nil while it does not know that the device can be configured.
	told []byte
}

// begin are the settings to begin with.
func (r *reporter) begin() []byte {
	settings, _ := readFrame(r.supervisor)
	return settings
}

// follow reports that the device can be configured, and then what changes by itself, until ctx ends.
func (r *reporter) follow(ctx context.Context) {
	tick := time.NewTicker(roaming)
	defer tick.Stop()
	for {
		r.report()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report returns once the supervisor has the settings as they are now.
func (r *reporter) report() {
	// Before the device is asked: what another reports meanwhile may be newer.
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
	if err := writeFrame(r.supervisor, now); err != nil {
		return
	}
	if _, err := r.supervisor.Read(make([]byte, 1)); err == nil {
		r.told = now
	}
}

func (r *reporter) close() { _ = r.supervisor.Close() }

// settings makes of what a device tells what sets up another like it: UAPI's two formats differ in what cannot be set. Nothing is left of
// a device without a key: its port is a random one.
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
