package drift

import (
	"testing"
	"time"
)

func TestPollInterval(t *testing.T) {
	for peers, want := range map[int]time.Duration{
		0:     500 * time.Millisecond,
		500:   500 * time.Millisecond,
		1000:  time.Second,
		5000:  5 * time.Second,
		50000: 5 * time.Second,
	} {
		if got := pollInterval(peers); got != want {
			t.Errorf("%d peers: %v, want %v", peers, got, want)
		}
	}
}
