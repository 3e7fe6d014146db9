package keys

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Private is a WireGuard private key, clamped. No formatter, logger or marshaller prints it; only Reveal returns its
// bytes. The zero value is no key: see IsZero.
//
// A closure holds the bytes, because fmt prints unexported fields of other packages' structs without calling their
// methods, and of a closure it prints an address. A pointer is not enough: fmt follows one if the verb does not suit it
// (%s).
type Private struct{ secret func() [Size]byte }

// Generate returns a new private key from the operating system's random source.
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

// ParsePrivate parses base64 as `wg genkey` prints it, and clamps the key. The error wraps ErrInvalid and repeats no
// input.
func ParsePrivate(text string) (Private, error) {
	b, err := parse(text)
	if err != nil {
		return Private{}, err
	}
	return newPrivate(b), nil
}

// text returns the secret in base64, for the key file.
func (k Private) text() string {
	b := k.secret()
	return base64.StdEncoding.EncodeToString(b[:])
}

// IsZero reports whether this is the zero value, which is no key.
func (k Private) IsZero() bool { return k.secret == nil }

// Public returns the public key that belongs to k. It returns the zero value for the zero value.
func (k Private) Public() Public {
	if k.IsZero() {
		return Public{}
	}
	b := k.secret()
	key, err := ecdh.X25519().NewPrivateKey(b[:])
	if err != nil {
		panic("keys: X25519 accepts any 32 bytes: " + err.Error())
	}
	return Public(key.PublicKey().Bytes())
}

// Reveal returns the secret bytes, for the device and for the key file. Never log them. They are all zero for the zero
// value.
func (k Private) Reveal() [Size]byte {
	if k.IsZero() {
		return [Size]byte{}
	}
	return k.secret()
}

const redacted = "(private key)"

// Format prints a placeholder for every verb, also for %#v.
func (k Private) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String returns a placeholder, never the key.
func (k Private) String() string { return redacted }

// LogValue returns a placeholder, never the key, for every handler of slog.
func (k Private) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder, never the key. encoding/json and other encoders of text call it.
func (k Private) MarshalText() ([]byte, error) { return []byte(redacted), nil }
