package userspace

import "testing"

func TestGarbagePercent(t *testing.T) {
	for peers, want := range map[int]int{0: 100, 1: 100, 862: 100, 1725: 49, 5000: 17, 1 << 16: 1} {
		if got := garbagePercent(peers); got != want {
			t.Errorf("with %d peers %d%%, want %d%%", peers, got, want)
		}
	}
}
