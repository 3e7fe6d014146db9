package traffic

import (
	"bytes"
	"encoding/binary"
)

// payload is what a flow's packet carries: 8 bytes that say whether the underlay may see it, the flow's number (4) and
// the packet's (8), big endian, and filling.
type payload []byte

const headerSize = 24

// Secret and Plain are the first bytes of every flow's packets: those that the underlay must not see, and the others.
// Nothing else on a lab's networks has them.
var (
	Secret = []byte("wrnSECRT")
	Plain  = []byte("wrnplain")
)

func newPayload(size int, plain bool, flow uint32) payload {
	p := make(payload, max(size, headerSize))
	copy(p, Secret)
	if plain {
		copy(p, Plain)
	}
	binary.BigEndian.PutUint32(p[8:], flow)
	return p
}

// valid reports whether a flow has sent it.
func (p payload) valid() bool {
	return len(p) >= headerSize && (bytes.HasPrefix(p, Secret) || bytes.HasPrefix(p, Plain))
}

func (p payload) flow() uint32         { return binary.BigEndian.Uint32(p[8:]) }
func (p payload) number() uint64       { return binary.BigEndian.Uint64(p[12:]) }
func (p payload) setNumber(seq uint64) { binary.BigEndian.PutUint64(p[12:], seq) }
