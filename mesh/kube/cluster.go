// Package kube connects the mesh to Kubernetes. It turns Node objects into mesh.Node and mesh.Self, keeps them current
// through watches, and writes the daemon's announcement to its own Node. It decides nothing: package mesh decides what
// an announcement means, and the reconcile loop decides when to write.
package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
)

// Config names the cluster and the own Node.
type Config struct {
	// REST says how to reach the API server. New copies it.
	REST *rest.Config
	// NodeName is the own Node's name.
	NodeName string
	// ServersFile keeps the addresses at which the API server was seen, one to a line, for the time when the one in
	// REST is out of reach. It belongs on tmpfs; empty keeps none.
	ServersFile string
	// Servers is called, from any goroutine, with what an operator should know of the way to the API server: that it
	// is another one than REST's, or that other ways cannot be kept. Nil says that there is nothing to know. It must
	// not block. If it is nil, nobody is called.
	Servers func(error)
	// Changed is called, from any goroutine, whenever a result of Synced, Nodes, Self or Waiting changes. It must not
	// block. Nil means that nobody is called.
	Changed func()
}

// Cluster watches the Nodes of one cluster while Run runs. Its writes work without Run too.
type Cluster struct {
	name    string
	host    string
	clients clients
	ways    *ways
	nodes   *mirror[nodeobject.Summary, mesh.Node]
	own     *mirror[nodeobject.Own, mesh.Self]
	sources []source
	// round ends when the watches begin anew.
	round round
}

// New returns a Cluster without sending a request: an unreachable API server is a reason to wait, not an error. It
// fails if the node name is empty or the REST configuration is unusable.
func New(config Config) (*Cluster, error) {
	if config.NodeName == "" {
		return nil, errors.New(
			"the own Node's name is not known: set NODE_NAME from spec.nodeName in the pod's manifest")
	}
	if config.Changed == nil {
		config.Changed = func() {}
	}
	ways := newWays(config.ServersFile, dialer(config.REST), config.Servers)
	clients, err := newClients(config.REST, ways.dial)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the API server: %w", err)
	}
	c := &Cluster{
		name:    config.NodeName,
		host:    config.REST.Host,
		clients: clients,
		ways:    ways,
		nodes:   newMirror(nodeobject.Summarize, nodeobject.Parse, config.Changed),
		own:     newMirror(nodeobject.SummarizeOwn, nodeobject.ParseOwn, config.Changed),
	}
	c.sources = []source{
		{name: "nodes", example: &metav1.PartialObjectMetadata{}, lists: clients.allNodes(), mirror: c.nodes},
		{example: &corev1.Node{}, lists: clients.oneNode(c.name), mirror: c.own, afresh: true},
	}
	return c, nil
}

// Run watches the cluster until ctx ends, whatever the API server does meanwhile. It starts every goroutine of the
// Cluster and returns when they have ended. The error is always nil.
func (c *Cluster) Run(ctx context.Context) error {
	var learning sync.WaitGroup
	if c.ways.file != "" {
		learning.Go(func() { c.learn(ctx) })
	}
	for ctx.Err() == nil {
		c.watch(ctx)
		c.round.end()
	}
	learning.Wait()
	return nil
}

// watch follows all sources until ctx ends, or until they have contradicted each other for a while. What the mirrors
// hold stays, and the next watch begins with full lists.
func (c *Cluster) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for _, s := range c.sources {
		group.Go(func() { s.follow(ctx) })
	}
	group.Go(func() {
		defer cancel()
		waitFor(ctx, c.contradictory)
	})
	group.Wait()
}

// Synced reports whether the list of Nodes and the own Node have been read in full since the start. Once true, it stays
// true.
func (c *Cluster) Synced() bool { return c.nodes.synced() && c.own.synced() }

// Nodes returns all Nodes that are known now, in no order, the own one included. It is empty before the first full
// list. Later calls return the same slices inside the Nodes: do not write to them.
func (c *Cluster) Nodes() []mesh.Node { return c.nodes.values() }

// Self returns the own Node, read from its full object. PublicKey is empty: the key is on disk, not in the cluster. ok
// is false while the Node does not exist, and until the first answer of the API server.
func (c *Cluster) Self() (self mesh.Self, ok bool) { return c.own.value(c.name) }

// Waiting returns what the Cluster waits for, as half a sentence: "the API server at HOST: connection refused". It is
// empty while everything has been read and is being watched. Retries of the same failure return the same text, so that
// the caller can log changes only.
func (c *Cluster) Waiting() string {
	for _, trouble := range []string{c.nodes.obstacle(), c.own.obstacle()} {
		if trouble != "" {
			return fmt.Sprintf("the API server at %s: %s", c.host, trouble)
		}
	}
	if !c.Synced() {
		return fmt.Sprintf("the first list of Nodes from the API server at %s", c.host)
	}
	return ""
}
