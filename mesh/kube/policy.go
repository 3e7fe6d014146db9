package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh"
)

// PolicyInForce reports whether an admission policy checks what is announced of the own Node, whose UID must be uid: the API server is asked
// for a dry run of an announcement that is none. A policy refuses it (422); without one it would be taken. Nothing is written
// either way, and it needs no right beyond that to publish. The error is that of anything else, and says nothing about policies.
func (c *Cluster) PolicyInForce(ctx context.Context, uid string) (bool, error) {
	err := errors.New("its UID is not known")
	if uid != "" {
		p := c.announcement(uid, mesh.Announcement{PublicKey: "is-there-a-policy"})
		p.dryRun = true
		err = c.write(ctx, p)
	}
	switch {
	case err == nil:
		return false, nil
	case apierrors.IsInvalid(err) && !anotherUID(err):
		return true, nil
	}
	return false, fmt.Errorf("look for a policy on the annotations of node %s: %w", c.name, err)
}

// anotherUID reports whether err says that the Node has been replaced: that is a 422 too, of every API server, and names the field.
func anotherUID(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.ErrStatus.Details != nil && slices.ContainsFunc(status.ErrStatus.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}
