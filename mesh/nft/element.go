package nft

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// kernelElement is an element of a set or a map as the kernel has it.
type kernelElement struct {
	key []byte
	// ends says that the key is the first one behind an interval.
	ends bool
	// data is the value; of a verdict, verdict is, as in a Layout.
	data    []byte
	verdict string
	// packets is how many a counter of the element's has counted.
	packets uint64
}

// parseElements reads the list of elements in one message.
func parseElements(list []byte) (all []kernelElement) {
	d, err := netlink.NewAttributeDecoder(list)
	if err != nil {
		return nil
	}
	for d.Next() {
		v := valuesOf(d.Bytes())
		data := valuesOf(v[unix.NFTA_SET_ELEM_DATA])
		all = append(all, kernelElement{
			key:     valuesOf(v[unix.NFTA_SET_ELEM_KEY])[unix.NFTA_DATA_VALUE],
			ends:    v.number(unix.NFTA_SET_ELEM_FLAGS)&unix.NFT_SET_ELEM_INTERVAL_END != 0,
			data:    data[unix.NFTA_DATA_VALUE],
			verdict: verdictText(valuesOf(data[unix.NFTA_DATA_VERDICT])),
			packets: packetsOf(v),
		})
	}
	return all
}

// verdictText returns a verdict in nft's words; empty for none.
func verdictText(v values) string {
	if v[unix.NFTA_VERDICT_CODE] == nil {
		return ""
	}
	word := verdictWords[int32(v.number(unix.NFTA_VERDICT_CODE))]
	if chain := v.text(unix.NFTA_VERDICT_CHAIN); chain != "" {
		word += " " + chain
	}
	return word
}

// packetsOf returns what the element's counter says. An element with one expression has it by itself.
func packetsOf(v values) uint64 {
	e := valuesOf(v[unix.NFTA_SET_ELEM_EXPR])
	if e.text(unix.NFTA_EXPR_NAME) != "counter" {
		return 0
	}
	return valuesOf(e[unix.NFTA_EXPR_DATA]).long(counterPackets)
}

func compareSets(a, b kernelSet) int {
	switch {
	case a.isMap == b.isMap:
		return cmp.Compare(a.name, b.name)
	case b.isMap:
		return -1
	default:
		return 1
	}
}

// sorted sorts by the keys. An interval's end comes before the beginning of the next one.
func sorted(elements []kernelElement) []kernelElement {
	slices.SortFunc(elements, func(a, b kernelElement) int {
		return cmp.Or(bytes.Compare(a.key, b.key), compareBools(b.ends, a.ends))
	})
	return elements
}

// texts returns the elements in the words of a Layout, sorted by their keys.
func (s kernelSet) texts(elements []kernelElement) []Element {
	elements = sorted(elements)
	var all []Element
	for i, e := range elements {
		var key []string
		switch {
		case e.ends:
			continue
		case s.shape.interval && s.shape.key < 1<<typeBits:
			var next []byte
			if i+1 < len(elements) {
				next = elements[i+1].key
			}
			key = []string{rangeText(s.shape.key, e.key, next)}
		default:
			key = keyText(s.shape.key, e.key)
		}
		all = append(all, s.text(key, e))
	}
	return all
}

func (s kernelSet) text(key []string, e kernelElement) Element {
	switch {
	case !s.isMap:
		return Element{Set: s.name, Key: key}
	case s.shape.verdict:
		return Element{Map: s.name, Key: key, Value: []string{e.verdict}}
	default:
		return Element{Map: s.name, Key: key, Value: keyText(s.shape.data, e.data)}
	}
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
