package userspace

import (
	"testing"

	"golang.zx2c4.com/wireguard/device"
)

func TestMTU(t *testing.T) {
	for give, want := range map[int]int{0: device.DefaultMTU, 1380: 1380} {
		if got := mtu(Config{MTU: give}); got != want {
			t.Errorf("MTU of Config.MTU %d = %d, want %d", give, got, want)
		}
	}
}
