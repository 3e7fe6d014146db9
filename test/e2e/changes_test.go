package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren.mesh/test/lab"
)

// changes are what the kernel reports of one node's network while it is watched: routes, rules, addresses, links and
// nftables, whoever changes them. What it never reports (an identical route set again, the peers of a device) is for
// the daemon's own count and for snapshot to tell.
type changes struct {
	node *lab.Node
}

// monitors are what reports changes, with the file on the node that each writes to. Neighbours are left out: they come
// and go by themselves.
var monitors = map[string]string{
	"/run/changes.ip":  "ip -o monitor link address route rule netconf",
	"/run/changes.nft": "nft monitor",
}

// The marks are harmless changes that nobody but the test makes: what is reported between two of them is all there was.
// The addresses are for documentation (RFC 5737).
const beginMark, endMark = "192.0.2.1", "192.0.2.2"

// watchChanges begins to watch.
func watchChanges(t *testing.T, n *lab.Node) *changes {
	t.Helper()
	for file, monitor := range monitors {
		// An earlier watch has left its own marks.
		n.MustExec(t, "truncate", "--size=0", file)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			// It ends by being killed.
			_, _ = n.ExecContext(ctx, "sh", "-c", "exec "+monitor+" >>"+file+" 2>&1")
		}()
		t.Cleanup(func() { cancel(); <-ended })
	}
	c := &changes{node: n}
	c.mark(t, beginMark)
	return c
}

// mark makes a mark until every monitor has reported it: the first time they may not have started yet.
func (c *changes) mark(t *testing.T, mark string) {
	t.Helper()
	lab.Wait(t, patience, "reports of the mark "+mark, func() error {
		c.node.MustExec(t, "ip", "route", "add", "blackhole", mark)
		c.node.MustExec(t, "ip", "route", "delete", "blackhole", mark)
		c.node.MustExec(t, "nft", "add table ip "+mark+"; delete table ip "+mark)
		for file := range monitors {
			if report := c.node.MustExec(t, "cat", file); !strings.Contains(report, mark) {
				return fmt.Errorf("not in %s", file)
			}
		}
		return nil
	})
}

// wantNone fails the test for any change since the watch began.
func (c *changes) wantNone(t *testing.T) {
	t.Helper()
	for file, reported := range c.reported(t) {
		if n := len(reported); n > 0 {
			t.Errorf("%s: %d changes in %s, of which the first are:\n%s", c.node.Name, n, file,
				strings.Join(reported[:min(n, 10)], ""))
		}
	}
}

// reported are the changes since the watch began, by monitor. It ends the watch.
func (c *changes) reported(t *testing.T) map[string][]string {
	t.Helper()
	c.mark(t, endMark)
	all := map[string][]string{}
	for file := range monitors {
		lines := slices.Collect(strings.Lines(c.node.MustExec(t, "cat", file)))
		all[file] = slices.DeleteFunc(lines, func(line string) bool { return ofMark(line) || ofTimer(line) })
	}
	return all
}

// ofMark also knows nft's line about who made the transaction before it.
func ofMark(line string) bool {
	return strings.Contains(line, beginMark) || strings.Contains(line, endMark) ||
		strings.HasPrefix(line, "# new generation")
}

// ofTimer knows the report of a bridge about its port which comes by itself 15 seconds after the port did: the forward
// delay, by a message of the bridge's family, which has no qdisc.
func ofTimer(line string) bool {
	return strings.Contains(line, " master ") && !strings.Contains(line, " qdisc ")
}
