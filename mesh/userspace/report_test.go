package userspace

import (
	"testing"
	"time"
)

func TestRoamEvery(t *testing.T) {
	for peers, want := range map[int]time.Duration{
		0: 5 * time.Second, 1000: 5 * time.Second, 5000: 25 * time.Second,
	} {
		if got := roamEvery(peers); got != want {
			t.Errorf("with %d peers every %v, want %v", peers, got, want)
		}
	}
}
