package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	"warren.mesh/test/cluster/image"
	"warren.mesh/test/lab/artifact"
)

// Runtime is a release of containerd.
type Runtime string

// Current is the release of test/containerd, which speaks CNI 1.1 and asks plugins for their STATUS. Debian is the one
// that Debian 12 has, 1.6, which speaks CNI 1.0.
const (
	Current Runtime = "current"
	Debian  Runtime = "debian"
)

// RuntimeMetrics is where containerd serves its metrics, at /v1/metrics, on each node.
const RuntimeMetrics = "127.0.0.1:1338"

// containerd are the paths of a release's programs, on every machine too. runc is Debian's.
type containerd struct{ daemon, ctr, shim string }

// programs returns the release's programs, and builds them if they are missing.
func (r Runtime) programs(ctx context.Context, b image.Builder) (containerd, error) {
	dir := "/usr/bin"
	switch r {
	case Debian:
	case Current:
		var err error
		if dir, err = b.Cache.Get(ctx, artifact.Containerd(b.Root)); err != nil {
			return containerd{}, err
		}
	default:
		return containerd{}, fmt.Errorf("no runtime %q: current or debian", r)
	}
	return containerd{
		daemon: filepath.Join(dir, "containerd"),
		ctr:    filepath.Join(dir, "ctr"),
		shim:   filepath.Join(dir, "containerd-shim-runc-v2"),
	}, nil
}

// Ctr returns the path, on every machine too, of the client that belongs to the nodes' containerd.
func (c *Cluster) Ctr() string { return c.runtime.ctr }
