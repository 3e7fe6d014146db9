package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	someUID  = "5c8e2f0a-7d43-4b7e-9a51-0f2d6c1b8e37"
	aliceUID = "0b6cbd0e-53c8-4e31-8a0c-0ed4a4a5f3d1"
	// aliceProof is alice's for aliceUID: it must never change, or an upgrade would make every node announce anew.
	aliceProof = "Piuf/yg/vBxeNChFt6ML6kdQOUOy8GyWFmY4AifXlRliYkuaddF/bH7tBMmURtQZEAq9rPaunO+k6uGDpOflDw=="
)

func proofOf(t testing.TB, key Private, uid string) Proof {
	t.Helper()
	p, err := key.Prove(uid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// uidOf is a UID as the API server makes them, random.
func uidOf(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func TestProve(t *testing.T) {
	key, err := ParsePrivate(alice)
	if err != nil {
		t.Fatal(err)
	}
	p := proofOf(t, key, aliceUID)
	if p.String() != aliceProof {
		t.Errorf("proof = %v, want %s", p, aliceProof)
	}
	if !key.Public().Verify(aliceUID, p) {
		t.Error("the proof does not verify")
	}
	public := unhex(t, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
	message := "warren-proof-v1\x00" + aliceUID + "\x00" + string(public)
	if !referenceVerify(key.Public(), []byte(message), p) {
		t.Error("the reference does not verify the documented bytes")
	}
	if again := proofOf(t, key, aliceUID); again != p {
		t.Errorf("second proof = %v, want the same: %v", again, p)
	}
}

func TestProveNothing(t *testing.T) {
	var none Private
	if p, err := none.Prove(someUID); !errors.Is(err, ErrInvalid) || !p.IsZero() {
		t.Errorf("proof without a key = %v, %v; want an error that wraps ErrInvalid", p, err)
	}
	key := randomKey(random(t))
	if p, err := key.Prove(""); err == nil || !strings.Contains(err.Error(), "UID is not known") || !p.IsZero() {
		t.Errorf("proof for no Node = %v, %v; want an error that says what is missing", p, err)
	}
	unnamed := sign(key.Reveal(), proofMessage("", key.Public()), [randomSize]byte{})
	if key.Public().Verify("", unnamed) {
		t.Error("a proof for no Node verifies")
	}
	for uid, k := range map[string]Public{"": key.Public(), someUID: {}} {
		if k.Verify(uid, Proof{}) {
			t.Errorf("the zero proof verifies for %v and UID %q", k, uid)
		}
	}
}

// TestFaultIsKept: of a signature that a fault has spoilt nothing gets out, for two of one message reveal the key.
func TestFaultIsKept(t *testing.T) {
	key := randomKey(random(t))
	p := proofOf(t, key, someUID)
	for _, bit := range []int{0, 255, 256, 300} {
		spoilt := flipped(p[:], bit)
		if got, err := key.Public().checked(someUID, Proof(spoilt)); err == nil || !got.IsZero() {
			t.Errorf("with bit %d flipped: %v, %v; want an error and no proof", bit, got, err)
		}
	}
}

// TestProofIsOfOneNode: of many keys and Nodes, each proof verifies for its own key and UID and no other: nobody
// announces what another has proven, nor is what a Node announced worth anything on its successor of the same name,
// whose UID is another.
func TestProofIsOfOneNode(t *testing.T) {
	const count = 12
	source := random(t)
	var pairs [count]struct {
		key   Private
		uid   string
		proof Proof
	}
	for i := range pairs {
		var uid [16]byte
		_, _ = source.Read(uid[:])
		pairs[i].key, pairs[i].uid = randomKey(source), uidOf(uid)
		pairs[i].proof = proofOf(t, pairs[i].key, pairs[i].uid)
	}
	for k, key := range pairs {
		for u, uid := range pairs {
			for p, proof := range pairs {
				if got, want := key.key.Public().Verify(uid.uid, proof.proof), k == u && u == p; got != want {
					t.Errorf("key %d, UID %d, proof %d: verified = %t, want %t", k, u, p, got, want)
				}
			}
		}
	}
}

// TestProofIsOfOneUID: UIDs that differ in little, or in where they end.
func TestProofIsOfOneUID(t *testing.T) {
	key := randomKey(random(t))
	public := key.Public()
	uids := []string{
		someUID, someUID + "\x00", "\x00" + someUID, someUID[:35], someUID[1:], strings.ToUpper(someUID), someUID + " ",
		" ", "\x00", "\x00\x00", string(public[:]), "\x00" + string(public[:]), string(public[:]) + "\x00",
		"\x00" + string(public[:]) + "\x00" + string(public[:]), someUID + "\x00" + string(public[:]),
		"warren-proof-v1", "é", "e\u0301",
	}
	for _, signed := range uids {
		p := proofOf(t, key, signed)
		for _, uid := range uids {
			if got, want := public.Verify(uid, p), uid == signed; got != want {
				t.Errorf("proof for %q, UID %q: verified = %t, want %t", signed, uid, got, want)
			}
		}
	}
}

// TestProofBitFlips flips every bit of proof, key and UID.
func TestProofBitFlips(t *testing.T) {
	key := randomKey(random(t))
	public, p := key.Public(), proofOf(t, key, someUID)
	for bit := range 8 * ProofSize {
		if public.Verify(someUID, Proof(flipped(p[:], bit))) {
			t.Errorf("verifies with bit %d of the proof flipped", bit)
		}
	}
	for bit := range 8 * Size {
		if Public(flipped(public[:], bit)).Verify(someUID, p) {
			t.Errorf("verifies with bit %d of the key flipped", bit)
		}
	}
	for bit := range 8 * len(someUID) {
		if public.Verify(string(flipped([]byte(someUID), bit)), p) {
			t.Errorf("verifies with bit %d of the UID flipped", bit)
		}
	}
}

func flipped(b []byte, bit int) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// TestProofHidesKey puts a proof, and the errors about one, through every formatter.
func TestProofHidesKey(t *testing.T) {
	key := randomKey(random(t))
	p := proofOf(t, key, someUID)
	_, parsing := ParseProof(key.text() + key.text())
	_, proving := key.Prove("")
	_, checking := key.Public().checked(someUID, Proof{})
	for name, value := range map[string]any{
		"proof": p, "pointer": &p, "parsing": parsing, "proving": proving, "checking": checking,
	} {
		for where, text := range printed(value) {
			if leak := leakOf(key, text); leak != "" {
				t.Errorf("%s of the %s prints the key %s: %s", where, name, leak, text)
			}
		}
	}
}

func TestParseProof(t *testing.T) {
	for _, tt := range []struct{ name, text, err string }{
		{name: "as announced", text: aliceProof},
		{name: "empty", text: "", err: "0 characters, want 88"},
		{name: "a key", text: alicePublic, err: "44 characters"},
		{name: "short", text: base64.StdEncoding.EncodeToString(make([]byte, 63)), err: "84 characters"},
		{name: "a byte more", text: base64.StdEncoding.EncodeToString(make([]byte, 65)), err: "not 64 bytes"},
		{name: "all zero", text: base64.StdEncoding.EncodeToString(make([]byte, 64)), err: "all bytes are zero"},
		{name: "newline at the end", text: aliceProof + "\n", err: "89 characters"},
		{name: "newline inside", text: aliceProof[:20] + "\n" + aliceProof[21:], err: "not 64 bytes"},
		{name: "unpadded", text: aliceProof[:86], err: "86 characters"},
		{name: "URL alphabet", text: aliceProof[:10] + "_" + aliceProof[11:], err: "not 64 bytes"},
		{name: "stray bits in the last character", text: aliceProof[:85] + "B==", err: "not 64 bytes"},
		{name: "hex", text: strings.Repeat("ab", 64), err: "128 characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParseProof(tt.text)
			if tt.err == "" {
				if err != nil || p.String() != tt.text {
					t.Fatalf("ParseProof = %v, %v; want the same proof back", p, err)
				}
				return
			}
			if !errors.Is(err, ErrNotProof) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error = %v, want one that wraps ErrNotProof and says %q", err, tt.err)
			}
			if !p.IsZero() {
				t.Errorf("proof = %v beside an error, want none", p)
			}
		})
	}
}

func TestProofText(t *testing.T) {
	p, err := ParseProof(aliceProof)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(map[string]Proof{"none": {}, "proof": p})
	if want := `{"none":"(none)","proof":"` + aliceProof + `"}`; err != nil || string(got) != want {
		t.Errorf("JSON = %s, %v; want %s", got, err, want)
	}
}

// FuzzParseProof: what can be read has one spelling, and proves nothing unless somebody with the key made it.
func FuzzParseProof(f *testing.F) {
	key := randomKey(random(f))
	valid := proofOf(f, key, someUID).String()
	zeros, long := strings.Repeat("A", 86)+"==", strings.Repeat("a", 1000)
	for _, seed := range []string{"", "=", valid, aliceProof, zeros, long} {
		f.Add(seed, someUID)
	}
	f.Fuzz(func(t *testing.T, text, uid string) {
		p, err := ParseProof(text)
		if err != nil {
			if !errors.Is(err, ErrNotProof) || len(err.Error()) > 100 {
				t.Fatalf("error = %v, want a short one that wraps ErrNotProof", err)
			}
			return
		}
		if again, err := ParseProof(p.String()); err != nil || again != p || p.String() != text {
			t.Fatalf("%q became %v, which reads as %v, %v", text, p, again, err)
		}
		if got, want := key.Public().Verify(uid, p), text == valid && uid == someUID; got != want {
			t.Fatalf("%q for UID %q: verified = %t, want %t", text, uid, got, want)
		}
	})
}

// FuzzVerify: whatever is said to be a key never makes the arithmetic fail, and nobody proves it.
func FuzzVerify(f *testing.F) {
	key := randomKey(random(f))
	public, p := key.Public(), proofOf(f, key, someUID)
	f.Add(public[:], someUID, p[:])
	f.Add(make([]byte, Size), "", make([]byte, ProofSize))
	f.Add(bytes.Repeat([]byte{0xff}, Size), someUID, bytes.Repeat([]byte{0xff}, ProofSize))
	f.Fuzz(func(t *testing.T, u []byte, uid string, signature []byte) {
		if len(u) != Size || len(signature) != ProofSize {
			return
		}
		want := Public(u) == public && uid == someUID && Proof(signature) == p
		if got := Public(u).Verify(uid, Proof(signature)); got != want {
			t.Fatalf("verified = %t, want %t", got, want)
		}
	})
}

func BenchmarkProve(b *testing.B) {
	key := randomKey(random(b))
	for b.Loop() {
		if _, err := key.Prove(someUID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key := randomKey(random(b))
	public, p := key.Public(), proofOf(b, key, someUID)
	for b.Loop() {
		if !public.Verify(someUID, p) {
			b.Fatal("the proof does not verify")
		}
	}
}
