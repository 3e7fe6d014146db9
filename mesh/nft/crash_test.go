package nft

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A command that crashed is told from one that was killed.
func TestCrash(t *testing.T) {
	for signal, want := range map[string]bool{"SEGV": true, "ABRT": true, "KILL": false, "TERM": false} {
		t.Run(signal, func(t *testing.T) {
			fakeNFT(t, "kill -s "+signal+" $$")
			table, err := Open(guardID, func() {})
			if err != nil {
				t.Fatal(err)
			}
			errs := map[string]error{"replace": table.Replace(t.Context(), Layout{ID: guardID})}
			other := ID{Family: "bridge", Name: "warren"}
			beside, err := Open(other, func() {})
			if err != nil {
				t.Fatal(err)
			}
			errs["together"] = Together(t.Context(), Change{Table: table, Layout: &Layout{ID: guardID}},
				Change{Table: beside, Layout: &Layout{ID: other}})
			for what, err := range errs {
				if err == nil || errors.Is(err, ErrCrashed) != want {
					t.Errorf("%s: %v; crashed: %t, want %t", what, err, !want, want)
				}
			}
		})
	}
}

// The user data are those that the two versions write into the kernel; 1.0.6 was tried with each.
func TestUnreadable(t *testing.T) {
	const typeof = "03 14 00 04 07000000 01 0c 00 04 0c000000 01 04 0b000000"
	const concatenated = "00 04 00000000 03 12 00 04 0d000000 01 0a 00000004 04 000000 01 00"
	for name, c := range map[string]struct {
		data string
		want bool
	}{
		"none":                         {"", false},
		"1.0.6, type":                  {"00 04 02000000", false},
		"1.0.6, typeof":                {"00 04 02000000" + typeof, false},
		"1.1.3, type":                  {"00 04 02000000 03 08 00 04 04000000 01 00", true},
		"1.1.3, typeof":                {"00 04 02000000" + typeof, false},
		"1.1.3, concatenated types":    {concatenated, false},
		"1.1.3, typeof with verdicts":  {typeof + "04 08 00 04 01000000 01 00", false},
		"1.1.3, a value of a type":     {concatenated + "04 08 00 04 04000000 01 00", true},
		"cut off":                      {"00 04 02000000 03 08 00 04 04", false},
		"an expression without a type": {"03 02 01 00", false},
	} {
		data, err := hex.DecodeString(strings.ReplaceAll(c.data, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := unreadable(data); got != c.want {
			t.Errorf("%s: unreadable: %t, want %t", name, got, c.want)
		}
	}
}

// Warren's own tables have to be deleted at once, and are named last.
func TestRemedies(t *testing.T) {
	others := UnreadableSet{ID{Family: "inet", Name: "fw"}, "banned"}
	guard := UnreadableSet{guardID, "node-ips4"}
	got := Remedies([]UnreadableSet{
		{ID{Family: "bridge", Name: "warren"}, "ports"}, others, guard, {guardID, "node-ips6"},
	})
	const own = "nft 'delete table bridge warren; delete table inet warren'"
	if len(got) != 2 || got[0] != others.String() || !strings.HasSuffix(got[1], own) {
		t.Errorf("%q", got)
	}
	if got := Remedies(nil); len(got) > 0 {
		t.Errorf("of nothing: %q", got)
	}
}

// Of others' tables that concern nobody, a set that nft cannot read matters all the same. One of warren's own tables
// does not: a newer nft in warren's image would have each of its writes looked at.
func TestUnreadableSetMatters(t *testing.T) {
	const read, unread = "\x00\x04\x02\x00\x00\x00", "\x03\x08\x00\x04\x04\x00\x00\x00\x01\x00"
	for _, c := range []struct {
		table, data string
		want        int
	}{{"t", read, 0}, {"t", unread, 1}, {"warren", unread, 0}, {"warren-policy", unread, 0}} {
		told := 0
		e := newTableEvents(nil, nil)
		e.matters, e.othersChanged = func(ID, string, string) bool { return false }, func() { told++ }
		attributes := netlink.NewAttributeEncoder()
		attributes.String(unix.NFTA_SET_TABLE, c.table)
		attributes.Bytes(unix.NFTA_SET_USERDATA, []byte(c.data))
		e.add(withAttributes(unix.NFT_MSG_NEWSET, unix.NFPROTO_INET, attributes))
		e.add(endOf(7))
		if told != c.want {
			t.Errorf("table %s, user data %x: told %d times, want %d", c.table, c.data, told, c.want)
		}
	}
}
