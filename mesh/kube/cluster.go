// Package kube is Kubernetes as the mesh sees it: it turns Node objects into mesh.Node and mesh.Self, keeps them current
// through watches, and writes what a daemon says of its own Node. It does not decide anything: what a Node's announcement
// means is package mesh's business, and when to write is the reconcile loop's.
package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"warren.mesh/mesh"
)

// Config says which cluster and which Node.
type Config struct {
	// REST tells how to reach the API server. New copies it.
	REST *rest.Config
	// NodeName is the own Node's name.
	NodeName string
	// Changed is called, from any goroutine, whenever something differs that Synced, Nodes, Self or Waiting report. It
	// must not block. Nil calls nobody.
	Changed func()
}

// Cluster follows the Nodes of one cluster while Run runs. Its writes work without Run too.
type Cluster struct {
	name    string
	host    string
	writer  metadata.Getter
	nodes   *mirror[nodeSummary, mesh.Node]
	own     *mirror[ownSummary, mesh.Self]
	sources []source
}

// New prepares a Cluster without asking the API server anything: that it cannot be reached is no error but a reason to
// wait.
func New(config Config) (*Cluster, error) {
	if config.NodeName == "" {
		return nil, errors.New("the own Node's name is not known: set NODE_NAME from spec.nodeName in the pod's manifest")
	}
	if config.Changed == nil {
		config.Changed = func() {}
	}
	clients, err := newClients(config.REST)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the API server: %w", err)
	}
	c := &Cluster{
		name:   config.NodeName,
		host:   config.REST.Host,
		writer: clients.metadata,
		nodes:  newMirror(summarizeNode, parseNode, config.Changed),
		own:    newMirror(summarizeOwn, parseOwn, config.Changed),
	}
	c.sources = []source{
		{example: &metav1.PartialObjectMetadata{}, lists: clients.allNodes(), mirror: c.nodes},
		{example: &corev1.Node{}, lists: clients.oneNode(c.name), mirror: c.own},
	}
	return c, nil
}

// Run follows the cluster until ctx ends, whatever the API server does meanwhile. It owns every goroutine of the Cluster
// and returns when they have ended; the error is always nil.
func (c *Cluster) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for _, s := range c.sources {
		group.Go(func() { s.follow(ctx) })
	}
	group.Wait()
	return nil
}

// Synced reports whether the list of Nodes and the own Node have been read in full since the start. It stays true.
func (c *Cluster) Synced() bool { return c.nodes.synced() && c.own.synced() }

// Nodes are all Nodes as of now, in no order, the own one included; none before the first full list. They share their
// slices with later calls: read only.
func (c *Cluster) Nodes() []mesh.Node { return c.nodes.values() }

// Self is the own Node from its full object, without a PublicKey, which only the key on disk can tell. ok is false while
// the Node does not exist, and before that is known.
func (c *Cluster) Self() (self mesh.Self, ok bool) { return c.own.value(c.name) }

// Waiting says in half a sentence what of the API server is waited for: "the API server at HOST: connection refused".
// Empty while everything has been read and is followed. The same obstacle gives the same text with every retry, so that
// it can be logged when it changes.
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
