package linux

import (
	"encoding/binary"
	"errors"
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

func TestTableEvents(t *testing.T) {
	ours := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "warren")
	others := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "kube-proxy")
	namesake := notification(unix.NFT_MSG_NEWRULE, unix.NFPROTO_IPV4, "warren")
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
		"a generation without number": {[]netlink.Message{ours, {Header: endOf(7).Header, Data: make([]byte, 4)}}, []uint32{0}},
	} {
		var got []uint32
		events := tableEvents{changed: func(generation uint32) { got = append(got, generation) }}
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
		events := tableEvents{changed: func(uint32) {}, touched: true}
		events.add(netlink.Message{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | netlink.HeaderType(typ&0xff)}, Data: data})
	})
}

func TestOwnWrites(t *testing.T) {
	var generation uint32
	var unreadable error
	commits := func(n uint32, err error) func() error {
		return func() error { generation += n; return err }
	}
	for name, c := range map[string]struct {
		from    uint32
		run     func() error
		broken  error
		excused []uint32
		others  []uint32
	}{
		"one change":                        {run: commits(1, nil), excused: []uint32{1}, others: []uint32{1, 2}},
		"a change that changes nothing":     {run: commits(0, nil), others: []uint32{0, 1}},
		"another table's meanwhile":         {run: commits(2, nil), excused: []uint32{1}, others: []uint32{2, 3}},
		"another's of ours meanwhile":       {run: commits(2, nil), excused: []uint32{2}, others: []uint32{1, 3}},
		"failed":                            {run: commits(1, errors.New("nft")), others: []uint32{1}},
		"generation unreadable":             {run: commits(1, nil), broken: errors.New("netlink"), others: []uint32{1}},
		"the last generation and the first": {from: 1<<32 - 1, run: commits(2, nil), excused: []uint32{1}, others: []uint32{1<<32 - 1, 2}},
	} {
		generation, unreadable = c.from, c.broken
		own := ownWrites{generation: func() (uint32, error) { return generation, unreadable }}
		own.watch()
		_ = own.during(c.run)
		for _, g := range c.excused {
			if !own.excuses(g) {
				t.Errorf("%s: generation %d is not excused", name, g)
			}
		}
		for _, g := range c.others {
			if own.excuses(g) {
				t.Errorf("%s: generation %d is excused", name, g)
			}
		}
	}
}

func TestOwnWritesUnwatched(t *testing.T) {
	own := ownWrites{generation: func() (uint32, error) {
		t.Error("the generation was read, though nobody watches")
		return 0, nil
	}}
	done := own.watch()
	done()
	if err := own.during(func() error { return nil }); err != nil {
		t.Error(err)
	}
}
