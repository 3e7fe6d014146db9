package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// ProofSize is the length of a Proof in bytes: an XEdDSA signature, R and s of 32 bytes each.
const ProofSize = 64

// proofTextSize is the length of a Proof in base64, padded.
const proofTextSize = 88

// proofContext begins every message that a Proof signs, so that no signature made for another purpose, or for a later
// version of this format, passes as a Proof. The NUL ends it.
const proofContext = "warren-proof-v1\x00"

// ErrNotProof is what every error of ParseProof wraps.
var ErrNotProof = errors.New("not a proof of possession")

// Proof shows that a Node's announcement of a public key comes from the holder of its private key. It is no secret, and
// it is for one UID: another Node cannot use it. Its zero value is no proof: see IsZero.
//
// It is an XEdDSA signature (XEd25519 of "The XEdDSA and VXEdDSA Signature Schemes", revision 1, 2016-10-20,
// https://signal.org/docs/specifications/xeddsa/) with the WireGuard key itself over these bytes:
//
//	"warren-proof-v1", NUL, the Node's UID as the API writes it, NUL, the 32 bytes of the public key
//
// The parts before and after the UID have a fixed length, so no two pairs of UID and key give the same bytes, whatever
// the UID contains.
type Proof [ProofSize]byte

// ParseProof reads the base64 form that Node annotations carry. The error wraps ErrNotProof and never holds the input:
// it may be a private key in the wrong place. That a text can be read says nothing about what it proves: see
// Public.Verify.
func ParseProof(text string) (Proof, error) {
	if len(text) != proofTextSize {
		return Proof{}, fmt.Errorf("%w: %d characters, want %d of base64", ErrNotProof, len(text), proofTextSize)
	}
	// The length is asked again of the bytes: the decoder skips newlines.
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != ProofSize {
		return Proof{}, fmt.Errorf("%w: not %d bytes of base64", ErrNotProof, ProofSize)
	}
	if Proof(b).IsZero() {
		return Proof{}, fmt.Errorf("%w: all bytes are zero", ErrNotProof)
	}
	return Proof(b), nil
}

// IsZero reports whether this is the zero value, which is no proof.
func (p Proof) IsZero() bool { return p == Proof{} }

// String returns the proof in base64; "(none)" for the zero value.
func (p Proof) String() string {
	if p.IsZero() {
		return "(none)"
	}
	return base64.StdEncoding.EncodeToString(p[:])
}

// MarshalText returns what String returns, so that JSON and text encoders print base64 rather than numbers.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Prove returns the proof that the Node with that UID has k. The error wraps ErrInvalid where k is the zero value; an
// empty UID is an error too.
//
// The same key and UID always give the same proof, so a restarted daemon announces what it announced before, writes
// nothing and wakes no other node. Therefore the specification's random input Z is all zero. The nonce needs no
// randomness: it is a hash of the private key and the message, secret and unique as in Ed25519 (RFC 8032), and a random
// source that fails cannot reveal the key. Z protects against faults: two signatures with one nonce, of which a flipped
// bit has spoilt one, reveal the key. So Prove verifies each signature and never returns one that is wrong.
func (k Private) Prove(uid string) (Proof, error) {
	switch {
	case k.IsZero():
		return Proof{}, fmt.Errorf("prove possession of a key: %w: there is none", ErrInvalid)
	case uid == "":
		return Proof{}, errors.New("prove possession of a key: the Node's UID is not known")
	}
	public := k.Public()
	return public.checked(uid, sign(k.secret(), proofMessage(uid, public), [randomSize]byte{}))
}

// checked returns p, or an error in its place if it does not verify.
func (k Public) checked(uid string, p Proof) (Proof, error) {
	if !k.Verify(uid, p) {
		return Proof{}, errors.New("prove possession of a key: the signature is wrong: this machine miscalculates")
	}
	return p, nil
}

// Verify reports whether p proves that the Node with that UID has the private key of k. The answer depends on these
// values alone, so all nodes agree. An empty UID and the zero value of k or p give false.
//
// Verify refuses keys of small order, for which anybody can sign; keys that are not on the curve; encodings that X25519
// reduces (2²⁵⁵ − 19 or more, or the topmost bit set), because they are second spellings of a key; and an s that is not
// reduced, which the specification accepts, because anybody can make such a second signature out of a valid one.
func (k Public) Verify(uid string, p Proof) bool {
	return uid != "" && verify(k, proofMessage(uid, k), p)
}

// proofMessage returns the bytes that a Proof signs.
func proofMessage(uid string, k Public) []byte {
	message := make([]byte, 0, len(proofContext)+len(uid)+1+Size)
	message = append(message, proofContext...)
	message = append(message, uid...)
	message = append(message, 0)
	return append(message, k[:]...)
}
