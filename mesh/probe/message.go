package probe

import (
	"bytes"
	"crypto/rand"
	"net/netip"
)

// Port is the UDP port at which daemons ask and answer each other, on gateway addresses inside the mesh. It is next to
// those of the metrics and of health.
const Port = 18789

// Kind says what a message is.
type Kind byte

// The kinds of message.
const (
	Request Kind = 1
	Reply   Kind = 2
)

// Nonce tells which request a reply is for. Nobody can answer a request without having seen it.
type Nonce [16]byte

// newNonce returns a random Nonce.
func newNonce() (n Nonce) {
	_, _ = rand.Read(n[:]) // it never fails
	return n
}

// magic begins every message: three letters and the version of the format.
var magic = []byte{'w', 'r', 'n', 1}

// HeaderSize is the size of a message without padding, in bytes: magic, kind, three bytes that are zero, nonce.
const HeaderSize = 24

// Encode returns a message of so many bytes, and of HeaderSize at least. The padding is zero.
func Encode(kind Kind, nonce Nonce, size int) []byte {
	message := make([]byte, max(size, HeaderSize))
	copy(message, magic)
	message[len(magic)] = byte(kind)
	copy(message[HeaderSize-len(nonce):], nonce[:])
	return message
}

// Decode reads a message; ok is false if it is none of this version's. What the padding is does not matter.
func Decode(message []byte) (kind Kind, nonce Nonce, ok bool) {
	if len(message) < HeaderSize || !bytes.HasPrefix(message, magic) {
		return 0, nonce, false
	}
	rest := message[len(magic):HeaderSize]
	kind = Kind(rest[0])
	copy(nonce[:], rest[4:])
	return kind, nonce, (kind == Request || kind == Reply) && rest[1] == 0 && rest[2] == 0 && rest[3] == 0
}

// headers is what IP and UDP add to a message, in bytes.
func headers(to netip.Addr) int {
	if to.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// least is the size of the smallest probe to an address as an IP packet, in bytes.
func least(to netip.Addr) int { return headers(to) + HeaderSize }
