package userspace

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"warren.mesh/keys"
)

// textLog is a logger that writes lines without times into b.
func textLog(b io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func TestLogger(t *testing.T) {
	peer := &device.Peer{} // Its public key is all zero.
	key := strings.Repeat("0123456789abcdef", 4)
	tests := map[string]struct {
		verbose bool
		format  string
		args    []any
		want    string
	}{
		"peer and error": {
			format: "%v - Failed to send data packets: %v", args: []any{peer, errors.New("no route")},
			want: `level=WARN msg="Failed to send data packets" peer=AAAA…AAAA err="no route"`,
		},
		"peer at the end": {
			verbose: true, format: "IPv4 packet with disallowed source address from %v", args: []any{peer},
			want: `level=DEBUG msg="IPv4 packet with disallowed source address" peer=AAAA…AAAA`,
		},
		"others stay in the message": {
			verbose: true, format: "%s - Retrying handshake because we stopped hearing back after %d seconds",
			args: []any{peer, 15},
			want: `level=DEBUG msg="Retrying handshake because we stopped hearing back after 15 seconds" ` +
				`peer=AAAA…AAAA`,
		},
		"no arguments": {
			verbose: true, format: "UDP bind has been updated", want: `level=DEBUG msg="UDP bind has been updated"`,
		},
		"nothing but an error": {
			format: "%v", args: []any{errors.New("IPC error -98: in use")},
			want: `level=WARN msg="UAPI request refused" err="IPC error -98: in use"`,
		},
		"key in an error": {
			format: "%v", args: []any{errors.New(`failed to parse line "private_key ` + key + `"`)},
			want: `level=WARN msg="UAPI request refused" err="failed to parse line \"private_key (redacted)\""`,
		},
		"key in a string": {
			format: "invalid UAPI operation: %v", args: []any{"private_key=" + key},
			want: `level=WARN msg="invalid UAPI operation: private_key=(redacted)"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			l := newLogger(textLog(&b, slog.LevelDebug))
			if test.verbose {
				l.Verbosef(test.format, test.args...)
			} else {
				l.Errorf(test.format, test.args...)
			}
			if diff := cmp.Diff(test.want, strings.TrimSpace(b.String())); diff != "" {
				t.Errorf("logged (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoggerIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		l := newLogger(textLog(&b, slog.LevelInfo))
		for range 3 {
			l.Errorf("no: %v", errors.New("x"))
			l.Verbosef("a verbose one")
		}
		l.Errorf("another")
		time.Sleep(quiet)
		l.Errorf("no: %v", errors.New("y"))
		want := "level=WARN msg=no err=x\nlevel=WARN msg=another\nlevel=WARN msg=no err=y suppressed=2\n"
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	})
}

// TestNoPrivateKeyIsLogged configures a device at its most talkative, rightly and wrongly.
func TestNoPrivateKeyIsLogged(t *testing.T) {
	private, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	var b syncBuffer
	dev := newDevice(tuntest.NewChannelTUN().TUN(), func() {}, newLogger(textLog(&b, slog.LevelDebug)))
	secret := hexOf(private)
	for _, config := range []string{
		"private_key=" + secret + "\n",
		"private_key " + secret + "\n",
		"private_key=" + secret[1:] + "\n",
		"private_key=x" + secret[1:] + "\n",
		"privat_key=" + secret + "\n",
		secret + "\n",
		secret + "=private_key\n",
	} {
		_ = dev.IpcSet(config)
	}
	dev.Close()
	for i := range len(secret) - 16 {
		if strings.Contains(b.String(), secret[i:i+16]) {
			t.Fatalf("part of the private key was logged:\n%s", b.String())
		}
	}
	if !strings.Contains(b.String(), "UAPI: Updating private key") {
		t.Errorf("nothing was logged at all:\n%s", b.String())
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for _, text := range []string{
		"address already in use", "listen udp4 :51820: bind: address already in use", "peer(AAAA…AAAA)", "",
	} {
		if got := redact(text); got != text {
			t.Errorf("redact(%q) = %q", text, got)
		}
	}
	key := keys.Public(bytes.Repeat([]byte{7}, keys.Size)).String()
	if got := redact("key " + key + " here"); got != "key (redacted) here" {
		t.Errorf("redact of a key in base64 = %q", got)
	}
}
