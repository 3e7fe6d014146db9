package userspace

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"golang.zx2c4.com/wireguard/device"
)

// newLogger turns wireguard-go's printf into structured lines: a peer becomes the key peer (its public key,
// abbreviated), an error the key err. Verbose messages have level debug. Errors have level warn, because the device
// continues; what ends it is returned by Run. An error may come with every packet: of one kind, one is logged per
// quiet.
func newLogger(log *slog.Logger) *device.Logger {
	t := &throttle{}
	return &device.Logger{
		Verbosef: func(format string, args ...any) {
			if !log.Enabled(context.Background(), slog.LevelDebug) {
				return
			}
			message, attrs := structure(format, args)
			log.LogAttrs(context.Background(), slog.LevelDebug, message, attrs...)
		},
		Errorf: func(format string, args ...any) {
			suppressed, ok := t.allow(format)
			if !ok {
				return
			}
			message, attrs := structure(format, args)
			if suppressed > 0 {
				attrs = append(attrs, slog.Int("suppressed", suppressed))
			}
			log.LogAttrs(context.Background(), slog.LevelWarn, message, attrs...)
		},
	}
}

// hole marks the place in a message of what became an attribute.
const hole = "\x00"

// joiners removes the places of attributes, with the punctuation by which wireguard-go's formats join them to the rest.
var joiners = strings.NewReplacer(hole+" - ", "", ": "+hole, "", " from "+hole, "", hole, "")

// structure returns a constant message, and attributes for the peers and errors in it.
func structure(format string, args []any) (string, []slog.Attr) {
	var attrs []slog.Attr
	rest := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case *device.Peer:
			rest[i], attrs = hole, append(attrs, slog.String("peer", abbreviated(arg)))
		case error:
			rest[i], attrs = hole, append(attrs, slog.String("err", redact(arg.Error())))
		case string:
			rest[i] = redact(arg)
		default:
			rest[i] = arg
		}
	}
	message := joiners.Replace(fmt.Sprintf(format, rest...))
	if message == "" {
		message = "UAPI request refused" // Only UAPI has formats that are nothing but an error.
	}
	return message, attrs
}

// abbreviated returns a peer's public key as wireguard-go shortens it, without the word "peer".
func abbreviated(p *device.Peer) string {
	return strings.TrimSuffix(strings.TrimPrefix(p.String(), "peer("), ")")
}

// keyLike matches what may be a key in hexadecimal or base64, or most of one.
var keyLike = regexp.MustCompile(`[0-9a-fA-F]{32,}|[0-9a-zA-Z+/]{40,}=?`)

// redact replaces what may be a key: the error about a UAPI line that cannot be parsed quotes the line, which may be
// the one with the private key.
func redact(text string) string { return keyLike.ReplaceAllString(text, "(redacted)") }
