package kube

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	discardLog()
	os.Exit(m.Run())
}

// discardLog keeps client-go's complaints about the obstacles that tests make out of their output.
func discardLog() { LogTo(slog.New(slog.DiscardHandler)) }

// TestLogTo shows that client-go's log reaches slog at debug level, and not at all above it. It changes klog's globals.
func TestLogTo(t *testing.T) {
	t.Cleanup(discardLog)
	for _, test := range []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelDebug,
			"level=DEBUG msg=\"Failed to watch\" err=EOF\n" +
				"level=DEBUG msg=hello group.k=v\n" +
				"level=DEBUG msg=\"watch ended\" reflector=nodes\n"},
		{slog.LevelInfo, ""},
	} {
		var out bytes.Buffer
		LogTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: test.level})))
		klog.ErrorS(io.EOF, "Failed to watch")
		text := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: test.level})
		slog.New(quiet{text}).WithGroup("group").Warn("hello", "k", "v")
		klog.Background().WithValues("reflector", "nodes").Info("watch ended")
		if got := withoutTime(out.String()); got != test.want {
			t.Errorf("at %v:\n%s\nwant:\n%s", test.level, got, test.want)
		}
	}
}

// withoutTime cuts the first attribute, the time, off each line.
func withoutTime(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(line, " ")
		b.WriteString(rest)
	}
	return b.String()
}
