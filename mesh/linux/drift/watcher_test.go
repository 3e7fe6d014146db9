package drift

import (
	"testing"
	"time"
)

func TestPollInterval(t *testing.T) {
	for peers, want := range map[int]time.Duration{
		0:    500 * time.Millisecond,
		1000: 500 * time.Millisecond,
		5000: 2500 * time.Millisecond,
	} {
		if got := pollInterval(peers); got != want {
			t.Errorf("%d peers: %v, want %v", peers, got, want)
		}
	}
}
