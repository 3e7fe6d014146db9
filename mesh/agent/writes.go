package agent

import (
	"context"
	"time"

	"warren.mesh/mesh"
)

const (
	// spreadPerNode limits the cluster to 500 writes a second when all nodes have one to make. Up to fewNodes write at
	// once.
	spreadPerNode = 2 * time.Millisecond
	fewNodes      = 50
	// askTimeout bounds a request to the API server: the next one waits for it.
	askTimeout = 5 * time.Second
)

// question is a request to the API server that is under way beside the worker, which has the host to look after.
type question struct {
	ended chan error
	// answered takes the result. The worker calls it.
	answered func(error)
}

// ask starts a request. The pass after its end takes the result. Nothing else may be under way: see asking.
func (a *Agent) ask(ctx context.Context, request func(context.Context) error, answered func(error)) {
	q := &question{ended: make(chan error, 1), answered: answered}
	a.question = q
	a.background.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		q.ended <- request(ctx)
		a.Poke()
	})
}

// asking takes the result of the request that was under way if it has ended, and reports whether it has not.
func (a *Agent) asking() bool {
	if a.question == nil {
		return false
	}
	select {
	case err := <-a.question.ended:
		answered := a.question.answered
		a.question = nil
		answered(err)
		return false
	default:
		return true
	}
}

// spread returns the time over which this many nodes spread their writes.
func spread(nodes int) time.Duration {
	if nodes <= fewNodes {
		return 0
	}
	return time.Duration(nodes) * spreadPerNode
}

// announcement is what publish has to write.
type announcement struct {
	// uid is the Node object's.
	uid string
	// want is what to publish, and seen what the Node says instead.
	want, seen mesh.Announcement
}

// availability is what setAvailable has to write.
type availability struct {
	// uid is the Node object's.
	uid       string
	available bool
}

// publish writes the own annotations if they differ from want.
func (a *Agent) publish(ctx context.Context, want mesh.Announcement, self mesh.Self, nodes int) {
	if self.Published == want {
		a.announced.clear()
		a.report(stepPublish, nil)
		return
	}
	if a.asking() || !a.announced.ready(announcement{self.UID, want, self.Published}, spread(nodes)) {
		return
	}
	publish := func(ctx context.Context) error { return a.cfg.Cluster.Publish(ctx, self.UID, want) }
	a.ask(ctx, publish, func(err error) {
		a.announced.wrote(err)
		a.report(stepPublish, err)
		if err == nil {
			a.teller.keyAnnounced(self.Published.PublicKey, want.PublicKey)
			a.log.Info("annotations published", "node", self.Name, "endpoint", want.Endpoint, "cidrs", want.PodCIDRs)
		}
	})
}

// notEffective is the condition's message for people.
const notEffective = "the container runtime does not use warren's CNI configuration: see /readyz and the log of warren"

// setAvailable tells the cluster whether pods may be scheduled here. It comes last of all, and not before peers can
// know this node.
func (a *Agent) setAvailable(ctx context.Context, self mesh.Self, nodes int, available bool) {
	if available && self.NetworkAvailable || !available && self.NetworkUnavailable {
		a.available.clear()
		a.report(stepAvailable, nil)
		return
	}
	published := a.announced.due.IsZero()
	if !published || a.asking() || !a.available.ready(availability{self.UID, available}, spread(nodes)) {
		return
	}
	set := a.cfg.Cluster.SetNetworkAvailable
	if !available {
		set = func(ctx context.Context) error { return a.cfg.Cluster.SetNetworkUnavailable(ctx, notEffective) }
	}
	a.ask(ctx, set, func(err error) {
		a.available.wrote(err)
		a.report(stepAvailable, err)
	})
}
