package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/subtle"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// randomSize is the length of Z, the random input of XEdDSA, in bytes.
const randomSize = 64

// hash1Prefix begins the input of the specification's hash_1 (section 2.5), so that a nonce is never the hash of
// anything that verifiers hash: 2²⁵⁶ − 1 − 1 in little-endian order.
var hash1Prefix = append([]byte{0xfe}, bytes.Repeat([]byte{0xff}, Size-1)...)

// sign is xeddsa_sign (section 3) with the clamped private key k. Its time does not depend on secrets.
func sign(k [Size]byte, message []byte, z [randomSize]byte) Proof {
	a, public := edwardsKeyPair(k)
	r := hashToScalar(hash1Prefix, a[:], message, z[:])
	point := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	h := hashToScalar(point, public[:], message)
	s := edwards25519.NewScalar().MultiplyAdd(h, scalarOf(a), r)
	return Proof(append(point, s.Bytes()...))
}

// edwardsKeyPair is calculate_key_pair (section 2.3): the Edwards form of k's public key with the sign bit zero, and
// the private scalar that belongs to it, k or −k. Verifiers see only the Montgomery form, which has no sign.
//
// A scalar of k is not reduced. Only the nonce depends on that, any secret bytes do there, and Signal's implementation,
// with whose signatures the tests compare ours, does not reduce it either.
func edwardsKeyPair(k [Size]byte) (a, public [Size]byte) {
	scalar := scalarOf(k)
	public = [Size]byte(new(edwards25519.Point).ScalarBaseMult(scalar).Bytes())
	sign := int(public[Size-1] >> 7)
	public[Size-1] &= 0x7f
	a = k
	subtle.ConstantTimeCopy(sign, a[:], scalar.Negate(scalar).Bytes())
	return a, public
}

// hashToScalar is SHA-512 of the parts, one after the other, modulo the group's order.
func hashToScalar(parts ...[]byte) *edwards25519.Scalar {
	hash := sha512.New()
	for _, part := range parts {
		hash.Write(part)
	}
	return reduced([sha512.Size]byte(hash.Sum(nil)))
}

// scalarOf is b modulo the group's order, little-endian.
func scalarOf(b [Size]byte) *edwards25519.Scalar {
	var wide [sha512.Size]byte
	copy(wide[:], b[:])
	return reduced(wide)
}

func reduced(wide [sha512.Size]byte) *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetUniformBytes(wide[:])
	if err != nil {
		panic("keys: any 64 bytes make a scalar: " + err.Error())
	}
	return s
}

// verify is xeddsa_verify (section 3), but refuses more keys and signatures: see Public.Verify.
func verify(u Public, message []byte, signature Proof) bool {
	public, ok := edwardsPublic(u)
	return ok && ed25519.Verify(public, message, signature[:])
}

// edwardsPublic is convert_mont (section 2.3): the Edwards form of u with the sign bit zero; ok is false for a key that
// Public.Verify refuses. It accepts the sum of a good key and a point of small order: only the holder of the good key
// can sign for it, no device has such a key, and the check costs as much as the signature's.
func edwardsPublic(u Public) (public ed25519.PublicKey, ok bool) {
	x, err := new(field.Element).SetBytes(u[:])
	if err != nil || !bytes.Equal(x.Bytes(), u[:]) {
		return nil, false // a second spelling of another key
	}
	// y = (u − 1) / (u + 1). For u = −1 it is 0, as the specification has it, and that point has order 4.
	one := new(field.Element).One()
	over, under := new(field.Element).Subtract(x, one), new(field.Element).Add(x, one)
	y := over.Multiply(over, under.Invert(under)).Bytes()
	point, err := new(edwards25519.Point).SetBytes(y)
	if err != nil {
		return nil, false // on the twist of the curve: no private key has this public key
	}
	if point.MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, false // of small order: one in eight hashes makes any scalar fit
	}
	return y, true
}
