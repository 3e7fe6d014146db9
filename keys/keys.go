// Package keys owns WireGuard's Curve25519 keys: their types, their generation, the proof that a node has one and the
// file that holds a node's private key. It does not own their use: devices, peers and annotations belong to other
// packages.
package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Size is the length of a public or private key in bytes (RFC 7748, section 5).
const Size = 32

// ErrInvalid is wrapped by every error about the text of a key.
var ErrInvalid = errors.New("not a WireGuard key")

// textSize is the length of a key in base64, padded.
const textSize = 44

func parse(text string) ([Size]byte, error) {
	if len(text) != textSize {
		return [Size]byte{}, fmt.Errorf("%w: %d characters, want %d of base64", ErrInvalid, len(text), textSize)
	}
	// The length of the bytes is checked too, because the decoder skips newlines.
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != Size {
		return [Size]byte{}, fmt.Errorf("%w: not %d bytes of base64", ErrInvalid, Size)
	}
	if [Size]byte(b) == [Size]byte{} {
		// WireGuard's value for no key, and what a disk may hold after a crash.
		return [Size]byte{}, fmt.Errorf("%w: all bytes are zero", ErrInvalid)
	}
	return [Size]byte(b), nil
}
