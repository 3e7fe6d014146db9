package userspace

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

// TestListen has processes that beat three times, each time just in time, and then no more.
func TestListen(t *testing.T) {
	for name, test := range map[string]struct {
		busy bool
		most int
	}{"idle": {false, mostMissed}, "busy": {true, mostBusy}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heard, ended := make(chan struct{}), make(chan struct{})
				busy := func() bool { return test.busy }
				patience := time.Duration(test.most) * beatInterval
				go func() {
					for range 3 {
						time.Sleep(patience - time.Millisecond)
						heard <- struct{}{}
					}
				}()
				begin := time.Now()
				if listen(heard, ended, busy) {
					t.Error("a silent process has ended")
				}
				silent := time.Since(begin) - 3*(patience-time.Millisecond)
				if silent < patience || silent > patience+beatInterval {
					t.Errorf("a process is killed after %v of silence, want %v", silent, patience)
				}
				close(ended)
				if !listen(heard, ended, busy) {
					t.Error("a process that has ended is killed")
				}
			})
		})
	}
}

func TestBusyMeter(t *testing.T) {
	busy := busyMeter(os.Getpid())
	for !busy() { // Asking takes time too.
	}
	if busyMeter(0)() {
		t.Error("a process that is not there is busy")
	}
}

// TestStalledClient has a client stop in the middle of a request: others are answered.
func TestStalledClient(t *testing.T) {
	dev := newTestDevice(t, "10.0.0.1").boundedDevice
	s := server{dev: dev, log: device.NewLogger(device.LogLevelSilent, ""), changed: func() {}}
	stalled, theirs := net.Pipe()
	defer stalled.Close()
	go s.handle(theirs)
	for _, part := range []string{"set=1\n", "fwmark=0\n", "fwmark=0\n"} { // The last is read in the middle.
		if _, err := stalled.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	<-probe(dev.Device)
	if _, err := stalled.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := stalled.Read(answer); err != nil || string(answer[:n]) != "errno=0\n\n" {
		t.Errorf("the client gets %q, %v", answer[:n], err)
	}
}
