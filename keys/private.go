package keys

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Private is a WireGuard private key, clamped. No formatter, logger or marshaller prints it; Reveal is the only way to
// its bytes. Its zero value is no key: see IsZero.
//
// The bytes are held in a closure because fmt prints unexported fields of other packages' structs without asking their
// methods: what it finds there is an address. A pointer is not enough: fmt follows one whose verb does not fit (%s).
type Private struct{ secret func() [Size]byte }

// Generate makes a new private key from the operating system's random source.
func Generate() (Private, error) { return generate(rand.Reader) }

func generate(random io.Reader) (Private, error) {
	var b [Size]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Private{}, fmt.Errorf("generate a private key: %w", err)
	}
	return newPrivate(b), nil
}

// newPrivate clamps b (RFC 7748, section 5: decodeScalar25519), as `wg genkey` does.
func newPrivate(b [Size]byte) Private {
	b[0] &= 248
	b[31] = b[31]&127 | 64
	return Private{secret: func() [Size]byte { return b }}
}

// ParsePrivate reads base64 as `wg genkey` prints it, and clamps. The error wraps ErrInvalid and holds no input.
func ParsePrivate(text string) (Private, error) {
	b, err := parse(text)
	if err != nil {
		return Private{}, err
	}
	return newPrivate(b), nil
}

// text is the secret in base64, for the key file.
func (k Private) text() string {
	b := k.secret()
	return base64.StdEncoding.EncodeToString(b[:])
}

// IsZero reports whether this is the zero value, which is no key.
func (k Private) IsZero() bool { return k.secret == nil }

// Public computes the public key that belongs to k; the zero value for the zero value.
func (k Private) Public() Public {
	if k.IsZero() {
		return Public{}
	}
	b := k.secret()
	key, err := ecdh.X25519().NewPrivateKey(b[:])
	if err != nil {
		panic("keys: X25519 takes any 32 bytes: " + err.Error())
	}
	return Public(key.PublicKey().Bytes())
}

// Reveal gives the secret bytes away, for the device and for the key file. Never log them. All zero for the zero value.
func (k Private) Reveal() [Size]byte {
	if k.IsZero() {
		return [Size]byte{}
	}
	return k.secret()
}

const redacted = "(private key)"

// Format prints a placeholder whatever the verb, %#v included.
func (k Private) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String is a placeholder, never the key.
func (k Private) String() string { return redacted }

// LogValue is a placeholder, never the key, whatever the handler's encoder.
func (k Private) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is a placeholder, never the key: encoding/json and other encoders that ask for text use it.
func (k Private) MarshalText() ([]byte, error) { return []byte(redacted), nil }
