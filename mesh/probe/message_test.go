package probe

import (
	"bytes"
	"testing"
)

func TestMessages(t *testing.T) {
	nonce := newNonce()
	if nonce == newNonce() || nonce == (Nonce{}) {
		t.Error("two nonces are alike")
	}
	for _, size := range []int{0, HeaderSize, HeaderSize + 1, 1392} {
		for _, kind := range []Kind{Request, Reply} {
			message := Encode(kind, nonce, size)
			gotKind, gotNonce, ok := Decode(message)
			if !ok || gotKind != kind || gotNonce != nonce || len(message) != max(size, HeaderSize) {
				t.Errorf("%d of %d bytes: %d, %v, %d bytes", kind, size, gotKind, ok, len(message))
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := Encode(Request, Nonce{1}, 100)
	for name, change := range map[string]func(m []byte) []byte{
		"short":          func(m []byte) []byte { return m[:HeaderSize-1] },
		"empty":          func([]byte) []byte { return nil },
		"magic":          func(m []byte) []byte { m[0] = 'W'; return m },
		"version":        func(m []byte) []byte { m[3] = 2; return m },
		"kind":           func(m []byte) []byte { m[4] = 3; return m },
		"no kind":        func(m []byte) []byte { m[4] = 0; return m },
		"reserved bytes": func(m []byte) []byte { m[7] = 1; return m },
	} {
		if _, _, ok := Decode(change(bytes.Clone(good))); ok {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(Request, Nonce{1}, 100))
	f.Add([]byte("wrn"))
	f.Fuzz(func(t *testing.T, message []byte) {
		kind, nonce, ok := Decode(message)
		if ok && !bytes.Equal(Encode(kind, nonce, 0), message[:HeaderSize]) {
			t.Errorf("%x is taken for %d %x", message, kind, nonce)
		}
	})
}
