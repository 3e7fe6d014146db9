package firewalls

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/nft"
)

// TestEnd says where nothing passes any more.
func TestEnd(t *testing.T) {
	all := func(verdict, target string) nft.SimpleRule { return nft.SimpleRule{Verdict: verdict, Target: target} }
	some := nft.SimpleRule{In: "docker0", Verdict: "drop"}
	inner := map[string][]nft.SimpleRule{
		"drops": {some, all("drop", "")}, "accepts": {all("accept", "")},
		"returns":  {all("return", ""), all("drop", "")},
		"jumps on": {all("jump", "drops")}, "nothing": nil, "loops": {all("jump", "loops")},
	}
	of := func(chain string) ([]nft.SimpleRule, error) { return inner[chain], nil }
	for name, c := range map[string]struct {
		rules                      []nft.SimpleRule
		withPolicyDrop, withAccept int
	}{
		"no rules":                 {nil, 0, -1},
		"rules by name":            {[]nft.SimpleRule{some, some}, 2, -1},
		"a rule for all":           {[]nft.SimpleRule{some, all("drop", ""), some}, 1, 1},
		"an accept for all before": {[]nft.SimpleRule{all("accept", ""), all("drop", "")}, -1, -1},
		"counting and logging":     {[]nft.SimpleRule{all("", "")}, 1, -1},
		"a jump to one that drops": {[]nft.SimpleRule{some, all("jump", "drops")}, 1, 1},
		"two jumps":                {[]nft.SimpleRule{all("jump", "nothing"), all("jump", "jumps on")}, 1, 1},
		"a jump that returns":      {[]nft.SimpleRule{all("jump", "returns")}, 1, -1},
		"a jump that accepts":      {[]nft.SimpleRule{all("jump", "accepts"), all("drop", "")}, -1, -1},
		"a return":                 {[]nft.SimpleRule{some, all("return", "")}, 1, -1},
		"a goto to nothing":        {[]nft.SimpleRule{all("goto", "nothing"), all("drop", "")}, 0, -1},
		"a loop":                   {[]nft.SimpleRule{all("jump", "loops")}, 1, -1},
		"a narrowed jump": {
			[]nft.SimpleRule{{Narrowed: true, Verdict: "jump", Target: "drops"}}, 1, -1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for drops, want := range map[bool]int{true: c.withPolicyDrop, false: c.withAccept} {
				got, err := chain{BaseChain: nft.BaseChain{Drops: drops}, rules: c.rules}.end(of)
				if err != nil || got != want {
					t.Errorf("policy drop %v: %d, %v; want %d", drops, got, err, want)
				}
			}
		})
	}
	failing := func(string) ([]nft.SimpleRule, error) { return nil, errors.New("gone") }
	if _, err := (chain{rules: []nft.SimpleRule{all("jump", "drops")}}).end(failing); err == nil {
		t.Error("a chain that cannot be read is judged")
	}
}

// TestPassing says which rules go where, and which are of no use.
func TestPassing(t *testing.T) {
	a := nft.SimpleRule{In: "a0", Comment: Comment + "a"}
	b := nft.SimpleRule{Out: "a0", Comment: Comment + "b"}
	rule := func(handle uint64, in, comment, verdict string) nft.SimpleRule {
		return nft.SimpleRule{Handle: handle, In: in, Comment: comment, Verdict: verdict}
	}
	narrowed := rule(4, "a0", "", "accept")
	narrowed.Narrowed = true
	for name, c := range map[string]struct {
		rules []nft.SimpleRule
		end   int
		want  edit
	}{
		"nothing there": {nil, 0, edit{add: []nft.SimpleRule{a, b}}},
		"before the end": {
			[]nft.SimpleRule{rule(1, "x0", "", "drop"), rule(2, "", "", "drop")}, 1,
			edit{before: 2, add: []nft.SimpleRule{a, b}},
		},
		"somebody's own": {[]nft.SimpleRule{rule(3, "a0", "", "accept")}, 1, edit{add: []nft.SimpleRule{b}}},
		"not for all":    {[]nft.SimpleRule{narrowed}, 1, edit{add: []nft.SimpleRule{a, b}}},
		"warren's, behind the end": {
			[]nft.SimpleRule{
				rule(5, "", "", "drop"), rule(6, "a0", Comment+"a", "accept"), rule(7, "a0", "", "accept"),
			}, 0,
			edit{before: 5, add: []nft.SimpleRule{a, b}, remove: []uint64{6}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := chain{rules: c.rules}.passing([]nft.SimpleRule{a, b}, c.end)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(edit{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzLegacy: whatever the kernel's table is taken to be, it is read or not, and nothing else happens.
func FuzzLegacy(f *testing.F) {
	f.Add(make([]byte, 200), uint32(0))
	f.Fuzz(func(_ *testing.T, rules []byte, at uint32) {
		for _, l := range legacies {
			l.drops(rules, at)
		}
	})
}
