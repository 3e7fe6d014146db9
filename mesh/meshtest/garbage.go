package meshtest

import (
	"slices"
	"strings"

	"warren.mesh/mesh"
)

// Garbage is a value of one annotation for which a node must be left out.
type Garbage struct {
	// Name is short and unique.
	Name string
	// Field is the annotation, and the Field of the Problem that names it.
	Field mesh.Field
	// Text is the annotation's value; empty means that the annotation is absent while the others are there.
	Text string
}

// Spoil puts the garbage into an announcement that is otherwise sound.
func (g Garbage) Spoil(a *mesh.Announcement, o *mesh.Overrides) {
	field := map[mesh.Field]*string{
		mesh.FieldPublicKey: &a.PublicKey, mesh.FieldProof: &a.Proof, mesh.FieldEndpoint: &a.Endpoint,
		mesh.FieldPodCIDRs: &a.PodCIDRs, mesh.FieldNodeIPs: &a.NodeIPs,
		mesh.FieldForceEndpoint: &o.ForceEndpoint, mesh.FieldKeepalive: &o.Keepalive,
	}[g.Field]
	*field = g.Text
}

// GarbageCorpus returns all garbage: seeds for fuzzing, and cases for tests of whole clusters. A Node object can hold
// all of it.
func GarbageCorpus() []Garbage {
	return slices.Concat(
		garbage(mesh.FieldPublicKey, garbageKeys),
		garbage(mesh.FieldProof, garbageProofs),
		garbage(mesh.FieldEndpoint, garbageEndpoints),
		garbage(mesh.FieldForceEndpoint, garbageEndpoints[1:]), // Its absence is no garbage.
		garbage(mesh.FieldPodCIDRs, garbagePodCIDRs),
		garbage(mesh.FieldNodeIPs, garbageNodeIPs),
		garbage(mesh.FieldKeepalive, garbageKeepalives))
}

func garbage(field mesh.Field, texts [][2]string) []Garbage {
	var all []Garbage
	for _, nameAndText := range texts {
		all = append(all, Garbage{Name: string(field) + "-" + nameAndText[0], Field: field, Text: nameAndText[1]})
	}
	return all
}

var garbageKeys = [][2]string{
	{"absent", ""},
	{"word", "key"},
	{"short", "AAAA"},
	{"zero", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
	{"unpadded", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo"},
	{"newline", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"},
	{"stray-bits", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp="},
	{"hex", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
	{"huge", strings.Repeat("A", 50_000)},
	{"control", "\x00\x1b[2J\r\nlevel=ERROR msg=forged"},
}

// soundProof is the proof of another node.
var soundProof = prove("of-another", "uid-of-another")

var garbageProofs = [][2]string{
	{"absent", ""},
	{"word", "proof"},
	{"short", "AAAA"},
	{"zero", strings.Repeat("A", 86) + "=="},
	{"unpadded", strings.TrimRight(soundProof, "=")},
	{"newline", soundProof + "\n"},
	{"stray-bits", soundProof[:85] + "B=="},
	{"key", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
	{"huge", strings.Repeat("A", 50_000)},
	{"control", "\x00\x1b[2J\r\nlevel=ERROR msg=forged"},
	{"of-another", soundProof},
}

// prove returns the proof for the key with this name.
func prove(name, uid string) string {
	proof, err := Key(name).Prove(uid)
	if err != nil {
		panic("meshtest: " + err.Error())
	}
	return proof.String()
}

var garbageEndpoints = [][2]string{
	{"absent", ""},
	{"no-port", "192.0.2.10"},
	{"port-zero", "192.0.2.10:0"},
	{"port-too-large", "192.0.2.10:65536"},
	{"port-negative", "192.0.2.10:-1"},
	{"name", "node.example.com:51820"},
	{"no-brackets", "2001:db8::10:51820:"},
	{"zone", "[fe80::1%eth0]:51820"},
	{"zone-huge", "[2001:db8::1%" + strings.Repeat("z", 400) + "]:51820"},
	{"mapped", "[::ffff:192.0.2.10]:51820"},
	{"loopback", "127.0.0.1:51820"},
	{"loopback6", "[::1]:51820"},
	{"multicast", "224.0.0.1:51820"},
	{"multicast6", "[ff02::1]:51820"},
	{"unspecified", "0.0.0.0:51820"},
	{"unspecified6", "[::]:51820"},
	{"link-local", "169.254.169.254:80"},
	{"broadcast", "255.255.255.255:51820"},
	{"two-of-a-family", "192.0.2.10:51820,192.0.2.11:51820"},
	{"empty-item", "192.0.2.10:51820,"},
	{"space", "192.0.2.10:51820, [2001:db8::10]:51820"},
	{"octal", "0300.0.2.10:51820"},
	{"endless", strings.Repeat("192.0.2.10:51820,", 2_000)},
	{"zeros", "192.0.2.10:" + strings.Repeat("0", 1_000) + "51820"},
	{"control", "192.0.2.10:51820\x00\n"},
}

var garbagePodCIDRs = [][2]string{
	{"absent", ""},
	{"address", "10.244.9.0"},
	{"host-bits", "10.244.9.1/24"},
	{"everything", "0.0.0.0/0"},
	{"everything6", "::/0"},
	{"half", "128.0.0.0/1"},
	{"single", "10.244.9.1/32"},
	{"loopback", "127.0.0.0/8"},
	{"multicast", "224.0.0.0/4"},
	{"broadcast", "255.255.255.0/24"},
	{"link-local6", "fe80::/64"},
	{"mapped", "::ffff:10.244.9.0/120"},
	{"two-of-a-family", "10.244.9.0/24,10.244.10.0/24"},
	{"mask", "10.244.9.0/255.255.255.0"},
	{"too-long", "10.244.9.0/33"},
	{"comma", ","},
	{"endless", strings.Repeat("10.244.9.0/24,", 2_000)},
}

var garbageNodeIPs = [][2]string{
	{"absent", ""},
	{"cidr", "192.0.2.10/32"},
	{"port", "192.0.2.10:22"},
	{"name", "localhost"},
	{"zone", "fe80::1%eth0"},
	{"mapped", "::ffff:192.0.2.10"},
	{"loopback", "127.0.0.1"},
	{"unspecified", "192.0.2.10,::"},
	{"multicast", "ff02::1"},
	{"empty-item", "192.0.2.1,,192.0.2.2"},
	{"endless", strings.Repeat("192.0.2.10,", 2_000)},
}

var garbageKeepalives = [][2]string{
	{"word", "often"},
	{"negative", "-1"},
	{"unit", "25s"},
	{"too-large", "65536"},
	{"fraction", "0.5"},
	{"huge", strings.Repeat("9", 50_000)},
}
