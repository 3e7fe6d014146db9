package e2e

import (
	"slices"
	"testing"

	"warren.mesh/test/lab"
)

// fault is one thing that somebody else does to a node's mesh.
type fault struct {
	name    string
	inflict func(*testing.T, *lab.Node)
	// cuts is how many of the node's flows do not arrive meanwhile.
	cuts cut
}

// cut is a share of flows.
type cut int

const (
	none cut = iota
	some
	every
)

// The faults. A device process that runs makes a deleted device anew, but without a key and down: that is the daemon's.
var (
	linkDown = fault{"link-down", shell("ip link set warren0 down"), every}
	killed   = fault{"device-killed", func(t *testing.T, n *lab.Node) { n.KillDevice(t) }, every}
	deleted  = fault{"link-deleted", shell("ip link delete warren0"), every}
	flushed  = fault{"ruleset-flushed", shell("nft flush ruleset"), none}
)

// shell is a command on the node.
func shell(command string) func(*testing.T, *lab.Node) {
	return func(t *testing.T, n *lab.Node) { n.MustExec(t, "sh", "-c", command) }
}

// unrouted takes all of warren's routes, the unreachable ones too, so that the guard alone keeps the mesh closed. It is
// in no pair: with the ruleset flushed too, nothing does.
var unrouted = fault{
	"routes-flushed", shell("for f in -4 -6; do ip $f route flush table all proto 87 || exit; done"), every,
}

// failure is one fault, or two at once.
type failure []fault

// failures are all faults, alone and in pairs, in an order in which they can follow each other.
func failures() []failure {
	var all []failure
	faults := []fault{linkDown, killed, deleted, flushed}
	for i, first := range faults {
		all = append(all, failure{first})
		for _, second := range faults[i+1:] {
			all = append(all, failure{first, second})
		}
	}
	return all
}

// deletions are failures of single routes and rules, in every family. The daemon's repairs of them are among damages.
func (tg *target) deletions(t *testing.T) (all []failure) {
	t.Helper()
	for _, own := range tg.node.Addrs() {
		for _, d := range tg.waysDeleted(t, own) {
			all = append(all, failure{{d.name + "-deleted", shell(d.command), some}})
		}
	}
	return all
}

func (f failure) name() string {
	name := f[0].name
	for _, second := range f[1:] {
		name += "," + second.name
	}
	return name
}

// has compares names, because functions cannot be compared.
func (f failure) has(wanted fault) bool {
	return slices.ContainsFunc(f, func(have fault) bool { return have.name == wanted.name })
}

// cuts is how many of the node's flows do not arrive after all of them.
func (f failure) cuts() (share cut) {
	for _, fault := range f {
		share = max(share, fault.cuts)
	}
	return share
}

func (f failure) inflict(t *testing.T, n *lab.Node) {
	t.Helper()
	for _, fault := range f {
		fault.inflict(t, n)
	}
}
