package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"warren.mesh/mesh"
)

// Guarded reports whether an admission policy checks what is announced of the own Node, whose UID must be uid: the API server is asked
// for a dry run of an announcement that is none. A policy refuses it (422); without one it would be taken. Nothing is written
// either way, and it needs no right beyond that to publish. The error is that of anything else, and says nothing about policies.
func (c *Cluster) Guarded(ctx context.Context, uid string) (bool, error) {
	err := errors.New("its UID is not known")
	if uid != "" {
		p := c.announcement(uid, mesh.Announcement{PublicKey: "is-there-a-policy"})
		p.dryRun = true
		err = c.write(ctx, p)
	}
	switch {
	case err == nil:
		return false, nil
	case apierrors.IsInvalid(err):
		return true, nil
	}
	return false, fmt.Errorf("look for a policy on the annotations of node %s: %w", c.name, err)
}
