package userspace

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/loop"
	"warren.mesh/mesh/userspace/iface"
)

func TestRestartDelay(t *testing.T) {
	pace := loop.Backoff{First: firstDelay, Most: mostDelay}
	var got []time.Duration
	for _, ran := range []time.Duration{time.Hour, 0, 0, 0, 0, 0, 0, 0, 0, 0, longEnough, 0} {
		got = append(got, restartDelay(&pace, ran)/time.Millisecond)
	}
	want := []time.Duration{0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0, 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("milliseconds (-want +got):\n%s", diff)
	}
}

// TestOperatorsLimits shows that a device process gets the limits that the operator set for Go's memory.
func TestOperatorsLimits(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "123MiB")
	t.Setenv("GOGC", "45")
	tun, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	told := filepath.Join(t.TempDir(), "told")
	s := supervisor{tun: &iface.TUN{File: tun}, saved: &savedConfig{}, cfg: Config{
		Log:     slog.New(slog.DiscardHandler),
		Command: []string{"sh", "-c", `echo "$GOMEMLIMIT $GOGC" > "$0"`, told},
	}}
	if err := s.device(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(told)
	if err != nil || string(got) != "123MiB 45\n" {
		t.Errorf("the device process has GOMEMLIMIT and GOGC %q (%v)", got, err)
	}
}
