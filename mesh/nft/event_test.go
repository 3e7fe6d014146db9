package nft

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// notification is one of the kernel's, of this type, family and table.
func notification(typ uint16, family byte, table string) netlink.Message {
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_TABLE_NAME, table)
	return withAttributes(typ, family, e)
}

// endOf is the last notification of a generation.
func endOf(generation uint32) netlink.Message {
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Uint32(unix.NFTA_GEN_ID, generation)
	return withAttributes(unix.NFT_MSG_NEWGEN, unix.NFPROTO_UNSPEC, e)
}

func withAttributes(typ uint16, family byte, e *netlink.AttributeEncoder) netlink.Message {
	attributes, err := e.Encode()
	if err != nil {
		panic(err)
	}
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | netlink.HeaderType(typ)},
		Data:   append([]byte{family, 0, 0, 0}, attributes...),
	}
}

var guardID = ID{Family: "inet", Name: "warren"}

func TestTableEvents(t *testing.T) {
	ours := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "warren")
	others := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "kube-proxy")
	namesake := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_IPV4, "warren")
	numberless := netlink.Message{Header: endOf(7).Header, Data: make([]byte, 4)}
	conntrack := netlink.Message{Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK << 8}, Data: ours.Data}
	for name, c := range map[string]struct {
		messages []netlink.Message
		want     []uint32
	}{
		"ours":                        {[]netlink.Message{ours, endOf(7)}, []uint32{7}},
		"ours, many":                  {[]netlink.Message{ours, ours, ours, endOf(7)}, []uint32{7}},
		"ours among others":           {[]netlink.Message{others, ours, others, endOf(7)}, []uint32{7}},
		"ours, then others":           {[]netlink.Message{ours, endOf(7), others, endOf(8)}, []uint32{7}},
		"others":                      {[]netlink.Message{others, endOf(7)}, nil},
		"another family's table":      {[]netlink.Message{namesake, endOf(7)}, nil},
		"not ended yet":               {[]netlink.Message{ours}, nil},
		"another subsystem":           {[]netlink.Message{conntrack, endOf(7)}, nil},
		"too short to have a family":  {[]netlink.Message{{Header: ours.Header, Data: []byte{1}}, endOf(7)}, nil},
		"a generation without number": {[]netlink.Message{ours, numberless}, []uint32{0}},
	} {
		var got []uint32
		events := newTableEvents([]ID{guardID}, func(_ int, generation uint32) { got = append(got, generation) })
		for _, m := range c.messages {
			events.add(m)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: generations (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzTableEvents(f *testing.F) {
	f.Add(uint16(unix.NFT_MSG_NEWRULE), notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "warren").Data)
	f.Add(uint16(unix.NFT_MSG_NEWGEN), endOf(7).Data)
	f.Fuzz(func(_ *testing.T, typ uint16, data []byte) {
		events := newTableEvents([]ID{guardID}, func(int, uint32) {})
		events.touched[0] = true
		header := netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | netlink.HeaderType(typ&0xff)}
		events.add(netlink.Message{Header: header, Data: data})
	})
}

// One subscription serves several tables, and says which of them a transaction changed.
func TestTableEventsOfSeveral(t *testing.T) {
	ids := []ID{guardID, {Family: "bridge", Name: "warren"}, {Family: "inet", Name: "warren-policy"}}
	guard := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "warren")
	bridge := notification(unix.NFT_MSG_DELRULE, unix.NFPROTO_BRIDGE, "warren")
	policy := notification(unix.NFT_MSG_NEWSETELEM, unix.NFPROTO_INET, "warren-policy")
	type all = []netlink.Message
	type change struct {
		Table      int
		Generation uint32
	}
	for name, c := range map[string]struct {
		messages []netlink.Message
		lost     bool
		want     []change
	}{
		"one":                    {all{bridge, endOf(7)}, false, []change{{1, 7}}},
		"one after the other":    {all{policy, endOf(7), guard, endOf(8)}, false, []change{{2, 7}, {0, 8}}},
		"two in one transaction": {all{policy, guard, policy, endOf(7)}, false, []change{{0, 7}, {2, 7}}},
		"notifications lost":     {all{guard}, true, []change{{0, 0}, {1, 0}, {2, 0}}},
	} {
		var got []change
		events := newTableEvents(ids, func(table int, generation uint32) {
			got = append(got, change{table, generation})
		})
		for _, m := range c.messages {
			events.add(m)
		}
		if c.lost {
			events.lost()
			events.end(9) // nothing is left over
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", name, diff)
		}
	}
}
