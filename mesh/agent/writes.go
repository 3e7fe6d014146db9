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
	// writeTimeout bounds a write to the API server, because the worker has the host to look after.
	writeTimeout = 5 * time.Second
)

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

// publish writes the own annotations if they differ from want.
func (a *Agent) publish(ctx context.Context, want mesh.Announcement, self mesh.Self, nodes int) {
	if self.Published == want {
		a.announced.clear()
		a.report(stepPublish, nil)
		return
	}
	if !a.announced.ready(announcement{self.UID, want, self.Published}, spread(nodes)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := a.cfg.Cluster.Publish(ctx, self.UID, want)
	a.announced.wrote(err)
	a.report(stepPublish, err)
	if err == nil {
		a.log.Info("annotations published", "node", self.Name, "endpoint", want.Endpoint, "cidrs", want.PodCIDRs)
	}
}

// makeAvailable tells the cluster that pods may be scheduled here. It comes last of all, and not before peers can know
// this node.
func (a *Agent) makeAvailable(ctx context.Context, self mesh.Self, nodes int) {
	if self.NetworkAvailable {
		a.available.clear()
		a.report(stepAvailable, nil)
		return
	}
	published := a.announced.due.IsZero()
	if !published || !a.available.ready(self.UID, spread(nodes)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := a.cfg.Cluster.SetNetworkAvailable(ctx)
	a.available.wrote(err)
	a.report(stepAvailable, err)
}
