package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// random is a source for keys and messages, the same in every run.
func random(t testing.TB) *rand.ChaCha8 {
	t.Helper()
	return rand.NewChaCha8(sha512.Sum512_256([]byte(t.Name())))
}

func randomKey(source *rand.ChaCha8) Private {
	var b [Size]byte
	_, _ = source.Read(b[:])
	return newPrivate(b)
}

// signatureOf reads a published signature.
func signatureOf(t *testing.T, text string) Proof {
	t.Helper()
	return Proof(unhex(t, text))
}

// TestPublishedSignature is the one of Signal's libsignal-protocol-c,
// src/curve25519/ed25519/tests/internal_fast_tests.c, xeddsa_fast_test: key and message of zeros but for one byte,
// and Z zero.
func TestPublishedSignature(t *testing.T) {
	var b [Size]byte
	b[8] = 189
	key, message := newPrivate(b), make([]byte, 200)
	want := signatureOf(t, "11c7f3e6c4df9e8a5150e1db3b30f92de3a3b3aa438656545fa7390f4bcc7bb2"+
		"6c431d9e90643e4f0eaa0e9c557766fa69ada576d63dcaf2ac326c11d0b97702")
	if got := sign(key.Reveal(), message, [randomSize]byte{}); got != want {
		t.Errorf("signature = %x, want %x", got[:], want[:])
	}
	if got := referenceSign(key.Reveal(), message, [randomSize]byte{}); got != want {
		t.Errorf("the reference's signature = %x, want %x", got[:], want[:])
	}
	if !verify(key.Public(), message, want) || !referenceVerify(key.Public(), message, want) {
		t.Error("the signature does not verify")
	}
	want[0] ^= 1
	if verify(key.Public(), message, want) {
		t.Error("an altered signature verifies")
	}
}

// TestPublishedChain is xeddsa_slow_test of the same library (internal_slow_tests.c): 10,000 signatures, each with the
// key and Z that the hash of the one before gives, so both signs of the Edwards form are among the keys.
func TestPublishedChain(t *testing.T) {
	want := signatureOf(t, "152903386616cd26bb3eece29f72a25c7d05c9cb843f9296b3fbb9ddd6ed9904"+
		"c1a80216cf493ff1be69f9f1cc16d7dc6ed378aa04eb71519de87a5bd8497b05")
	signature, message := Proof(bytes.Repeat([]byte{1}, ProofSize)), make([]byte, 200)
	for count := 1; count <= 10000; count++ {
		digest := sha512.Sum512(signature[:])
		secret := [Size]byte(digest[:])
		z := sha512.Sum512(secret[:])
		key := newPrivate(secret)
		signature = sign(key.Reveal(), message, z)
		sampled := count%100 == 0
		if sampled && !verify(key.Public(), message, signature) {
			t.Fatalf("signature %d does not verify", count)
		}
		if z[63]&1 == 1 {
			signature[count%ProofSize] ^= 1
		} else {
			message[count%len(message)] ^= 1
		}
		if sampled && verify(key.Public(), message, signature) {
			t.Fatalf("signature %d verifies although it or its message was altered", count)
		}
	}
	if signature != want {
		t.Errorf("signature 10,000 = %x, want %x", signature[:], want[:])
	}
}

// TestReference: what one implementation signs, the other verifies, and both sign alike.
func TestReference(t *testing.T) {
	source := random(t)
	signs := map[byte]int{}
	for i := range 12 {
		key, message := randomKey(source), make([]byte, 3*i)
		_, _ = source.Read(message)
		var z [randomSize]byte
		_, _ = source.Read(z[:])

		signature := sign(key.Reveal(), message, z)
		if want := referenceSign(key.Reveal(), message, z); signature != want {
			t.Errorf("signature = %x, want %x", signature[:], want[:])
		}
		if !referenceVerify(key.Public(), message, signature) || !verify(key.Public(), message, signature) {
			t.Errorf("signature %x does not verify", signature[:])
		}
		other := slices.Concat(message, []byte{0})
		if referenceVerify(key.Public(), other, signature) || verify(key.Public(), other, signature) {
			t.Errorf("signature %x verifies for another message", signature[:])
		}
		secret := key.Reveal()
		encoded := base.times(integer(secret[:])).encoded()
		signs[encoded[Size-1]>>7]++
	}
	if signs[0] < 3 || signs[1] < 3 {
		t.Errorf("signs of the Edwards keys = %v, want some of each", signs)
	}
}

// TestIsEd25519: the signatures are Ed25519's under the converted key (section 5), which the standard library verifies.
func TestIsEd25519(t *testing.T) {
	source := random(t)
	for range 20 {
		key, message := randomKey(source), []byte("message")
		secret := key.Reveal()
		public, _ := calculateKeyPair(integer(secret[:]))
		encoded := public.encoded()
		converted, ok := edwardsPublic(key.Public())
		if !ok || !bytes.Equal(converted, encoded[:]) {
			t.Errorf("Edwards form of %v = %x, %t; want %x", key.Public(), converted, ok, encoded)
		}
		signature := sign(secret, message, [randomSize]byte{})
		if !ed25519.Verify(encoded[:], message, signature[:]) {
			t.Errorf("crypto/ed25519 does not verify %x", signature[:])
		}
	}
}

// TestVerifyRefusesKeys: for a key of small order anybody makes signatures that a plain Ed25519 verification accepts.
func TestVerifyRefusesKeys(t *testing.T) {
	for name, u := range smallOrder {
		t.Run(name, func(t *testing.T) {
			public, ok := convertMont(u)
			if !ok {
				t.Fatal("not on the curve: nothing to refuse")
			}
			message, encoded := []byte("message"), public.encoded()
			// s = r fits where h·A is the neutral element: at least for one h in eight.
			for r := int64(1); ; r++ {
				point, s := base.times(big.NewInt(r)).encoded(), octets(big.NewInt(r))
				forged := Proof(append(point[:], s[:]...))
				if !ed25519.Verify(encoded[:], message, forged[:]) {
					continue
				}
				if verify(octets(u), message, forged) {
					t.Errorf("a forged signature verifies, with s = %d", r)
				}
				return
			}
		})
	}
}

// smallOrder are the u of all points whose order divides 8, reduced, as https://cr.yp.to/ecdh.html#validate lists them.
// p − 1 is on the twist, but the conversion makes a point of order 4 of it.
var smallOrder = map[string]*big.Int{
	"order 2":        big.NewInt(0),
	"order 4":        big.NewInt(1),
	"order 8":        decimal("325606250916557431795983626356110631294008115727848805560023387167927233504"),
	"order 8, other": decimal("39382357235489614581723060781553021112529911719440698176882885853963445705823"),
	"order 4, p − 1": new(big.Int).Sub(fieldP, one),
}

// TestVerifyRefusesSpellings: X25519 accepts several encodings of one key, so its owner could announce it twice.
func TestVerifyRefusesSpellings(t *testing.T) {
	key := randomKey(random(t))
	topBit := key.Public()
	topBit[Size-1] |= 0x80
	// 9 is the base point's u, and its private scalar is 1.
	unreduced := Public(octets(new(big.Int).Add(fieldP, big.NewInt(9))))
	for _, tt := range []struct {
		name   string
		secret [Size]byte
		u      Public
	}{
		{"topmost bit set", key.Reveal(), topBit},
		{"not less than p", octets(big.NewInt(1)), unreduced},
	} {
		t.Run(tt.name, func(t *testing.T) {
			message := []byte("message")
			signature := sign(tt.secret, message, [randomSize]byte{})
			public, _ := convertMont(integer(tt.u[:]))
			encoded := public.encoded()
			if !ed25519.Verify(encoded[:], message, signature[:]) {
				t.Fatal("not a spelling of this key")
			}
			if verify(tt.u, message, signature) {
				t.Error("the signature verifies")
			}
		})
	}
}

// TestVerifyRefusesTwist: half of all values are the u of no point of the curve.
func TestVerifyRefusesTwist(t *testing.T) {
	refused := 0
	for u := range int64(100) {
		if _, ok := convertMont(big.NewInt(u)); ok {
			continue
		}
		refused++
		if _, ok := edwardsPublic(octets(big.NewInt(u))); ok {
			t.Errorf("u = %d is on the twist, and accepted", u)
		}
	}
	if refused < 30 {
		t.Errorf("%d of the first 100 values are on the twist, want about half", refused)
	}
}

// TestVerifyRefusesUnreducedS: s plus the group's order fits the same equation, and the specification accepts it up to
// 253 bits.
func TestVerifyRefusesUnreducedS(t *testing.T) {
	key, message := randomKey(random(t)), []byte("message")
	signature := sign(key.Reveal(), message, [randomSize]byte{})
	s := octets(new(big.Int).Add(integer(signature[Size:]), orderQ))
	second := Proof(append(bytes.Clone(signature[:Size]), s[:]...))
	if !referenceVerify(key.Public(), message, second) {
		t.Fatal("the specification refuses it too: this test needs another key")
	}
	if verify(key.Public(), message, second) {
		t.Error("a second signature made of the first verifies")
	}
}
