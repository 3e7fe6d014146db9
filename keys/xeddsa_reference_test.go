package keys

import (
	"crypto/sha512"
	"math/big"
	"slices"
)

// A second implementation of XEd25519, to compare the first one with: the specification's own steps and names with
// integers in the place of optimised fields, sharing nothing with what ships but SHA-512. Slow, and not constant-time.

var (
	one    = big.NewInt(1)
	fieldP = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	orderQ = new(big.Int).Add(new(big.Int).Lsh(one, 252), decimal("27742317777372353535851937790883648493"))
	// curveD is −121665/121666, rootMinusOne 2^((p−1)/4) (RFC 7748, section 4.1; RFC 8032, section 5.1.3).
	curveD       = times(big.NewInt(-121665), inverse(big.NewInt(121666)))
	rootMinusOne = new(big.Int).Exp(big.NewInt(2), new(big.Int).Rsh(fieldP, 2), fieldP)
	// base is convert_mont(9) (section 5).
	base, _ = convertMont(big.NewInt(9))
)

// affine is a point of the twisted Edwards curve −x² + y² = 1 + dx²y².
type affine struct{ x, y *big.Int }

func decimal(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

func mod(n *big.Int) *big.Int         { return new(big.Int).Mod(n, fieldP) }
func times(a, b *big.Int) *big.Int    { return mod(new(big.Int).Mul(a, b)) }
func plus(a, b *big.Int) *big.Int     { return mod(new(big.Int).Add(a, b)) }
func minus(a, b *big.Int) *big.Int    { return mod(new(big.Int).Sub(a, b)) }
func quotient(a, b *big.Int) *big.Int { return times(a, inverse(b)) }

// inverse is inv of section 2.1: 0 for 0.
func inverse(a *big.Int) *big.Int {
	if mod(a).Sign() == 0 {
		return new(big.Int)
	}
	return new(big.Int).ModInverse(a, fieldP)
}

// integer reads b in little-endian order (section 2.4).
func integer(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// octets writes n, less than 2^256, in little-endian order (section 2.4).
func octets(n *big.Int) [Size]byte {
	b := n.FillBytes(make([]byte, Size))
	slices.Reverse(b)
	return [Size]byte(b)
}

// add is the curve's addition, complete because d is not a square (RFC 8032, section 5.1.4, in affine coordinates).
func (p affine) add(q affine) affine {
	product := times(curveD, times(times(p.x, q.x), times(p.y, q.y)))
	return affine{
		x: quotient(plus(times(p.x, q.y), times(p.y, q.x)), plus(one, product)),
		y: quotient(plus(times(p.y, q.y), times(p.x, q.x)), minus(one, product)),
	}
}

func (p affine) times(k *big.Int) affine {
	sum := affine{x: new(big.Int), y: one}
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if k.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

func (p affine) negative() affine { return affine{x: minus(new(big.Int), p.x), y: p.y} }

// sign is the point's s: whether x is odd.
func (p affine) sign() uint { return p.x.Bit(0) }

// encoded is y in 255 bits, and s in the bit above (section 2.4).
func (p affine) encoded() [Size]byte {
	b := octets(p.y)
	b[Size-1] |= byte(p.sign() << 7)
	return b
}

// convertMont is convert_mont(u) of section 2.3, with u_to_y of section 5; ok reports on_curve.
func convertMont(u *big.Int) (p affine, ok bool) {
	masked := new(big.Int).Mod(u, new(big.Int).Lsh(one, 255))
	y := quotient(minus(masked, one), plus(masked, one))
	// x² = (y² − 1) / (dy² + 1); a root is square^((p+3)/8), or that times the root of −1.
	square := quotient(minus(times(y, y), one), plus(times(curveD, times(y, y)), one))
	x := new(big.Int).Exp(square, new(big.Int).Rsh(new(big.Int).Add(fieldP, big.NewInt(3)), 3), fieldP)
	if times(x, x).Cmp(square) != 0 {
		x = times(x, rootMinusOne)
	}
	if x.Bit(0) == 1 {
		x = minus(new(big.Int), x)
	}
	return affine{x: x, y: y}, times(x, x).Cmp(square) == 0
}

// calculateKeyPair is calculate_key_pair(k) of section 2.3.
func calculateKeyPair(k *big.Int) (public affine, a *big.Int) {
	e := base.times(k)
	if e.sign() == 1 {
		return e.negative(), new(big.Int).Mod(new(big.Int).Neg(k), orderQ)
	}
	return e, k
}

// hash is hash of section 2.5, modulo q.
func hash(parts ...[]byte) *big.Int {
	sum := sha512.Sum512(slices.Concat(parts...))
	return new(big.Int).Mod(integer(sum[:]), orderQ)
}

// hash1 is hash_1 of section 2.5, modulo q.
func hash1(parts ...[]byte) *big.Int {
	prefix := octets(new(big.Int).Sub(new(big.Int).Lsh(one, 256), big.NewInt(2)))
	return hash(append([][]byte{prefix[:]}, parts...)...)
}

// referenceSign is xeddsa_sign(k, M, Z) of section 3.
func referenceSign(k [Size]byte, message []byte, z [randomSize]byte) Proof {
	public, scalar := calculateKeyPair(integer(k[:]))
	a, encoded := octets(scalar), public.encoded()
	r := hash1(a[:], message, z[:])
	point := base.times(r).encoded()
	h := hash(point[:], encoded[:], message)
	s := octets(new(big.Int).Mod(new(big.Int).Add(r, new(big.Int).Mul(h, scalar)), orderQ))
	return Proof(append(point[:], s[:]...))
}

// referenceVerify is xeddsa_verify(u, M, (R || s)) of section 3.
func referenceVerify(u Public, message []byte, signature Proof) bool {
	point, s := signature[:Size], integer(signature[Size:])
	if integer(u[:]).Cmp(fieldP) >= 0 || s.BitLen() > 253 {
		return false
	}
	public, ok := convertMont(integer(u[:]))
	if !ok {
		return false
	}
	encoded := public.encoded()
	h := hash(point, encoded[:], message)
	check := base.times(s).add(public.times(h).negative()).encoded()
	return [Size]byte(point) == check
}
