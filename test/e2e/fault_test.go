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
}

// The faults. A device process that runs makes a deleted device anew, but without a key and down: that is the daemon's.
var (
	linkDown = fault{"link-down", func(t *testing.T,
		n *lab.Node) {
		n.MustExec(t, "ip", "link", "set", "warren0", "down")
	}}
	killed  = fault{"device-killed", func(t *testing.T, n *lab.Node) { n.KillDevice(t) }}
	deleted = fault{"link-deleted", func(t *testing.T,
		n *lab.Node) {
		n.MustExec(t, "ip", "link", "delete", "warren0")
	}}
	flushed = fault{"ruleset-flushed", func(t *testing.T, n *lab.Node) { n.MustExec(t, "nft", "flush", "ruleset") }}
)

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

func (f failure) inflict(t *testing.T, n *lab.Node) {
	t.Helper()
	for _, fault := range f {
		fault.inflict(t, n)
	}
}
