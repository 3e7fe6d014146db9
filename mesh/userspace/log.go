package userspace

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"golang.zx2c4.com/wireguard/device"
)

// newLogger turns wireguard-go's printf into structured lines: a peer becomes the key peer (its public key, abbreviated),
// an error the key err. What wireguard-go calls verbose is at debug level. Its errors are warnings, since the device goes
// on; what ends it Run returns. They may come with every packet: of one kind, one is logged per quiet.
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

// hole stands in a message for what became an attribute.
const hole = "\x00"

// joints are how wireguard-go's formats tie peers and errors to the rest.
var joints = strings.NewReplacer(hole+" - ", "", ": "+hole, "", " from "+hole, "", hole, "")

// structure separates what varies from the message.
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
	message := joints.Replace(fmt.Sprintf(format, rest...))
	if message == "" {
		message = "UAPI request refused" // All of the formats that are nothing but an error are those of UAPI.
	}
	return message, attrs
}

// abbreviated is a peer's public key as wireguard-go shortens it, without the word "peer".
func abbreviated(p *device.Peer) string {
	return strings.TrimSuffix(strings.TrimPrefix(p.String(), "peer("), ")")
}

// keyLike are keys in hexadecimal or base64, whole or nearly.
var keyLike = regexp.MustCompile(`[0-9a-fA-F]{32,}|[0-9a-zA-Z+/]{40,}=?`)

// redact takes out what may be a key: a UAPI line that cannot be parsed is quoted whole in its error, and may be the
// one with the private key.
func redact(text string) string { return keyLike.ReplaceAllString(text, "(redacted)") }
