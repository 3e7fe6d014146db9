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

// PolicyInForce reports whether an admission policy checks the announcement of the own Node, whose UID must be uid. It
// sends a dry run of an announcement with a false key: a policy refuses it (422); without a policy the API server
// accepts it. Nothing is written either way, and the right to publish suffices. An error says nothing about policies.
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

// anotherUID reports whether err says that the Node has been replaced. That is a 422 too, without any policy; its cause
// names the field.
func anotherUID(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil {
		return false
	}
	return slices.ContainsFunc(status.ErrStatus.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}
