package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/test/lab"
)

// view is all that a node's device, routing tables and guard hold of other nodes, sorted.
type view struct {
	// Peers are "KEY ENDPOINT ALLOWED-IP ALLOWED-IP…".
	Peers []string
	// Routes are "TABLE DESTINATION DEVICE", the device "unreachable" where the route leads nowhere.
	Routes []string
	// Guarded are the firewall's node addresses, the own ones included.
	Guarded []string
}

// viewOf asks the tools of the node's administrator. What is not about other nodes, it leaves out.
func viewOf(t *testing.T, n *lab.Node) view {
	t.Helper()
	v := view{Peers: devicePeers(t, n)}
	for _, family := range []string{"-4", "-6"} {
		v.Routes = append(v.Routes, routes(t, n, family)...)
	}
	for _, set := range []string{"node-ips4", "node-ips6"} {
		v.Guarded = append(v.Guarded, elements(t, n, set)...)
	}
	return v.sorted()
}

func (v view) sorted() view {
	for _, lines := range [][]string{v.Peers, v.Routes, v.Guarded} {
		slices.Sort(lines)
	}
	return v
}

// routes are warren's of an address family, but for those of the cluster as a whole.
func routes(t *testing.T, n *lab.Node, family string) []string {
	t.Helper()
	var all []struct{ Type, Dst, Dev, Table string }
	decode(t, n.MustExec(t, "ip", "-json", family, "route", "show", "table", "all", "proto", "87"), &all)
	var lines []string
	for _, r := range all {
		if r.Type == "unreachable" {
			r.Dev = r.Type
		}
		if r.Table == "8788" || r.Dev == "warren0" {
			lines = append(lines, routeLine(r.Table, r.Dst, r.Dev))
		}
	}
	return lines
}

// routeLine has table "main" for "".
func routeLine(table, destination, device string) string {
	if table == "" {
		table = "main"
	}
	return table + " " + destination + " " + device
}

func elements(t *testing.T, n *lab.Node, set string) []string {
	t.Helper()
	var answer struct {
		NFTables []struct{ Set struct{ Elem []string } }
	}
	decode(t, n.MustExec(t, "nft", "-j", "list", "set", "inet", "warren", set), &answer)
	var all []string
	for _, object := range answer.NFTables {
		all = append(all, object.Set.Elem...)
	}
	return all
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// wantView is what node n must hold of the members of its mesh, and of nodes that are left out of it: no more and no
// less.
func wantView(t *testing.T, n *lab.Node, members, leftOut []*lab.Node) view {
	t.Helper()
	var v view
	for _, other := range slices.Concat(members, leftOut) {
		v.Guarded = append(v.Guarded, texts(other.Addrs())...)
		if other == n {
			continue
		}
		for _, addr := range other.Addrs() {
			v.Routes = append(v.Routes, routeLine("8788", addr.String(), "unreachable"))
		}
		if !slices.Contains(leftOut, other) {
			v.addMember(t, n, other)
		}
	}
	return v.sorted()
}

// addMember adds what n holds of a node that it sends to.
func (v *view) addMember(t *testing.T, n, other *lab.Node) {
	t.Helper()
	var allowed []string
	for _, cidr := range other.PodCIDRs(t) {
		allowed = append(allowed, cidr.String())
		v.Routes = append(v.Routes, routeLine("8787", cidr.String(), "warren0"))
	}
	for _, addr := range other.Addrs() {
		allowed = append(allowed, netip.PrefixFrom(addr, addr.BitLen()).String())
		v.Routes = append(v.Routes, routeLine("8788", addr.String(), "warren0"))
	}
	slices.Sort(allowed)
	endpoint := netip.AddrPortFrom(other.Addr(n.Addrs()[0]), 51820)
	v.Peers = append(v.Peers, fmt.Sprintf("%s %v %s", publicKey(t, other), endpoint, strings.Join(allowed, " ")))
}

// publicKey is of the node's device, whatever its Node object says.
func publicKey(t *testing.T, n *lab.Node) string {
	t.Helper()
	return strings.TrimSpace(n.MustExec(t, "wg", "show", "warren0", "public-key"))
}

func texts[T fmt.Stringer](values []T) []string {
	var all []string
	for _, value := range values {
		all = append(all, value.String())
	}
	return all
}

// waitViews waits until each of the members holds all the others, of nodes that are left out what keeps packets to them
// from leaving in plain text, and nothing else of anybody.
func waitViews(t *testing.T, members []*lab.Node, leftOut ...*lab.Node) {
	t.Helper()
	for _, n := range members {
		lab.Wait(t, 2*time.Minute, n.Name+" to hold the other nodes and nothing else", func() error {
			if diff := cmp.Diff(wantView(t, n, members, leftOut), viewOf(t, n)); diff != "" {
				return fmt.Errorf("(-want +got):\n%s", diff)
			}
			return nil
		})
	}
}
