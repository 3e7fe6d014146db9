package linux

import (
	"errors"
	"io/fs"
	"testing"
)

// The loopback interface is on every machine that tests run on.
func TestReadLink(t *testing.T) {
	mtu, received, sent, err := ReadLink("lo")
	if err != nil || mtu < 1500 || received != sent {
		t.Errorf("lo has an MTU of %d and received %d of %d bytes sent: %v", mtu, received, sent, err)
	}
	if _, _, _, err := ReadLink("warren-none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an interface that does not exist: %v", err)
	}
}
