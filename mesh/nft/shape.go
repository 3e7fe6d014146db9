package nft

import (
	"strings"

	"sigs.k8s.io/knftables"
)

// setShape is what a set or a map is, apart from its name and its elements.
type setShape struct {
	comment string
	// key and data are types as the kernel numbers them; zero where the layout says "typeof", and for a set's data.
	key, data                  uint32
	interval, dynamic, verdict bool
	// timeout is in seconds.
	timeout uint32
	size    uint32
}

// chainShape is what a chain is, apart from its name and its rules.
type chainShape struct {
	comment, kind, hook string
	priority            int32
	drops               bool
}

// dataTypes are the numbers of types that nft writes into the kernel (enum datatypes of its include/datatype.h), their
// sizes in bytes, zero for any, and a part of a packet that is of this type.
var dataTypes = map[string]struct {
	number uint32
	size   int
	typeof string
}{
	"integer":      {number: 4},
	"ipv4_addr":    {7, 4, "ip saddr"},
	"ipv6_addr":    {8, 16, "ip6 saddr"},
	"ether_addr":   {9, 6, "ether saddr"},
	"inet_proto":   {12, 1, "meta l4proto"},
	"inet_service": {13, 2, "th dport"},
	"ifname":       {41, nameSize, "iifname"},
}

// typeBits is how many bits a type has in the number of a concatenation (TYPE_BITS of nft).
const typeBits = 6

// typeNumber returns the kernel's number of a type in nft's words; zero where it is not known.
func typeNumber(text string) (number uint32) {
	for part := range strings.SplitSeq(text, " . ") {
		t, ok := dataTypes[part]
		if !ok {
			return 0
		}
		number = number<<typeBits | t.number
	}
	return number
}

func (s Set) shape() setShape {
	return setShape{
		comment: s.Comment, key: typeNumber(s.Type), interval: s.Interval, dynamic: s.Dynamic,
		timeout: s.Timeout, size: uint32(s.Size),
	}
}

func (m Map) shape() setShape {
	key, data, _ := strings.Cut(m.Type, " : ")
	return setShape{
		comment: m.Comment, key: typeNumber(key), data: typeNumber(data), interval: m.Interval,
		verdict: data == "verdict",
	}
}

// fits reports whether the shape in the kernel is the one that was asked for.
func (s setShape) fits(want setShape) bool {
	if want.key == 0 {
		want.key = s.key
	}
	if want.data == 0 {
		want.data = s.data
	}
	return s == want
}

// shape of a chain; priorities are in nft's words, which knftables knows.
func (c Chain) shape(family string) chainShape {
	if c.Hook == "" {
		return chainShape{comment: c.Comment}
	}
	priority, err := knftables.ParsePriority(knftables.Family(family), c.Priority)
	if err != nil {
		return chainShape{} // fits nothing
	}
	return chainShape{comment: c.Comment, kind: c.Type, hook: c.Hook, priority: int32(priority)}
}
