package iface

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRefuseOpen(t *testing.T) {
	for err, remedy := range map[error]string{
		unix.ENOENT: "modprobe tun",
		unix.ENODEV: "modprobe tun",
		unix.ENXIO:  "mount /dev/net/tun",
		unix.EACCES: "CAP_NET_ADMIN",
		unix.EPERM:  "give the process the device",
	} {
		got := refuseOpen(err)
		if !errors.Is(got, ErrNoTUN) || !errors.Is(got, err) || !strings.Contains(got.Error(), remedy) {
			t.Errorf("refusal at %v: %v; want ErrNoTUN and %q", err, got, remedy)
		}
	}
}

func TestSetInterfaceName(t *testing.T) {
	err := setInterface(-1, "a-name-of-more-than-fifteen-bytes")
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "interface name") {
		t.Errorf("a name that is too long: %v", err)
	}
	if err := setInterface(-1, "warren0"); !errors.Is(err, unix.EBADF) {
		t.Errorf("no file: %v, want EBADF", err)
	}
}
