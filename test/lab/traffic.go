package lab

import (
	"errors"
	"slices"

	"warren.mesh/test/lab/capture"
	"warren.mesh/test/lab/host"
	"warren.mesh/test/lab/traffic"
)

// Flow starts a counted flow between two hosts; it ends with the test, or with Stop. Flows from or to the outside or
// the control machine and flows between two nodes are plain whatever o says.
func (l *Lab) Flow(t TB, from, to *host.Host, o traffic.Options) *traffic.Flow {
	t.Helper()
	o.Plain = o.Plain || l.plainBetween(from, to)
	f, err := l.pacer.Flow(from, to, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { f.Stop() })
	return f
}

// plainBetween reports whether the mesh leaves traffic between two hosts alone.
func (l *Lab) plainBetween(from, to *host.Host) bool {
	beyond := []*host.Host{l.Outside, l.Control}
	isNode := func(h *host.Host) bool {
		return slices.ContainsFunc(l.Nodes(), func(n *Node) bool { return n.Host == h })
	}
	return slices.Contains(beyond, from) || slices.Contains(beyond, to) || isNode(from) && isNode(to)
}

// FlowsAmong starts a flow from every one of these hosts to every other, in every family that both have.
func (l *Lab) FlowsAmong(t TB, o traffic.Options, hosts ...*host.Host) traffic.Flows {
	t.Helper()
	var flows traffic.Flows
	for _, from := range hosts {
		for _, to := range hosts {
			if from == to {
				continue
			}
			for _, own := range from.Addrs() {
				if to.Addr(own).IsValid() {
					o.IPv6 = own.Is6()
					flows = append(flows, l.Flow(t, from, to, o))
				}
			}
		}
	}
	return flows
}

// plaintext is what no node may send into the underlay: anything from or to a pod address, and the flows that are not
// plain.
var plaintext = capture.Plaintext{Pods: clusterCIDRs[:], Secret: traffic.Secret}

// CapturePlaintext starts a capture of what every node sends into the underlay, nodes that join later too. Start it
// before the first daemon to miss nothing. When the test ends it is stopped and WantNone is checked.
func (l *Lab) CapturePlaintext(t TB) *capture.Capture {
	t.Helper()
	c := l.capture(t, plaintext.Judge)
	t.Cleanup(func() {
		t.Helper()
		c.WantNone(t)
	})
	return c
}

// Watch starts a capture that asserts nothing by itself.
func (l *Lab) Watch(t TB) *capture.Capture {
	t.Helper()
	return l.WatchBy(t, plaintext.Judge)
}

// WatchBy is Watch with the caller's own kinds. The port that judge is told is the name of the node that has sent the
// packet.
func (l *Lab) WatchBy(t TB, judge capture.Judge) *capture.Capture {
	t.Helper()
	c := l.capture(t, judge)
	t.Cleanup(func() { c.Stop() })
	return c
}

func (l *Lab) capture(t TB, judge capture.Judge) *capture.Capture {
	t.Helper()
	c := capture.New(judge)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if err := l.control.Set.Do(func() error { return c.Attach(n.Name) }); err != nil {
			t.Fatalf("capture: %v", err)
		}
	}
	l.captures = append(l.captures, c)
	return c
}

// attachAll makes every capture tap a port that is about to come up, in the control machine's network namespace. A
// rebooted node has a new cable.
func (l *Lab) attachAll(port string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.captures {
		errs = append(errs, c.Attach(port))
	}
	return errors.Join(errs...)
}
