package wg

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"warren.mesh/keys"
)

// process is a backend whose answers take as long as it hangs.
type process struct {
	hangs chan struct{}
	calls int
	err   error
}

func (p *process) Device(string) (*wgtypes.Device, error) {
	p.calls++
	if p.hangs != nil {
		<-p.hangs
	}
	return &wgtypes.Device{ListenPort: p.calls}, p.err
}

func (p *process) ConfigureDevice(string, wgtypes.Config) error {
	_, err := p.Device("")
	return err
}

func (p *process) Close() error { return nil }

// TestHungDevice has a device hang and return: a call takes a limited time, further ones none, and there is one at a
// time.
func TestHungDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{hangs: make(chan struct{})}
		absent, hung := errors.New("absent"), errors.New("hung")
		d := Device{Client: newClient(p), Name: "wg0", Count: func(string) {}, Absent: absent, Hung: hung,
			Key: func() keys.Private { return keys.Private{} }}
		for i, want := range []time.Duration{patience, 0, 0} {
			begin := time.Now()
			if seen, err := d.Read(); seen != nil || err != nil {
				t.Errorf("a hung device reads as %v, %v, want none", seen, err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("read %d took %v, want %v", i, took, want)
			}
		}
		if err := d.configurePeers("set", []wgtypes.PeerConfig{{}}); !errors.Is(err, hung) || errors.Is(err, absent) {
			t.Errorf("configuring a hung device: %v, want %v", err, hung)
		}
		if err := d.CheckPort(51820); err != nil {
			t.Errorf("a hung device may have the port, but: %v", err)
		}
		if !d.Hangs() {
			t.Error("a hung device is said to answer")
		}
		if p.calls != 1 {
			t.Errorf("%d calls hang, want 1", p.calls)
		}
		close(p.hangs)
		synctest.Wait()
		if err := d.configurePeers("set", []wgtypes.PeerConfig{{}}); !errors.Is(err, hung) {
			t.Errorf("configuring what nobody has read: %v, want %v", err, hung)
		}
		if seen, err := d.Read(); err != nil || seen == nil || seen.ListenPort != 2 {
			t.Errorf("after its return: %v, %v", seen, err)
		}
		if d.Hangs() {
			t.Error("a device that answers is said to hang")
		}
		p.err = fs.ErrNotExist
		if err := d.configurePeers("set", []wgtypes.PeerConfig{{}}); !errors.Is(err, absent) {
			t.Errorf("configuring no device: %v, want %v", err, absent)
		}
	})
}
