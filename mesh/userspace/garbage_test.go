package userspace

import "testing"

func TestGarbagePercent(t *testing.T) {
	for peers, want := range map[int]int{0: 100, 1: 100, 1000: 100, 1536: 100, 3072: 50, 5000: 30, 1 << 16: 2} {
		if got := garbagePercent(peers); got != want {
			t.Errorf("with %d peers %d%%, want %d%%", peers, got, want)
		}
	}
}
