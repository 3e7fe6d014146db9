package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
	"warren.mesh/mesh/events"
)

// PolicyInForce reports whether the admission policies on what warren's account writes are in force, for the own Node,
// whose UID must be uid. It sends three dry runs, each of which one of the policies refuses and the API server accepts
// without it. Nothing is written either way, and the right to publish suffices: without the right to create Events, no
// policy has to bound it. An error says nothing about policies.
//
// The fourth policy is about kubelets, in whose name this account cannot ask.
func (c *Cluster) PolicyInForce(ctx context.Context, uid string) (bool, error) {
	if uid == "" {
		return false, fmt.Errorf("look for policies on node %s: its UID is not known", c.name)
	}
	for _, look := range []struct {
		write   func() error
		refused func(error) bool
	}{
		{func() error { return c.write(ctx, c.falseKey(uid)) },
			func(err error) bool { return apierrors.IsInvalid(err) && !anotherUID(err) }},
		{func() error { return c.write(ctx, c.foreignAnnotation(uid)) }, forbiddenByPolicy},
		{func() error { return c.createEvent(ctx, c.otherEvent(uid), metav1.DryRunAll) }, apierrors.IsForbidden},
	} {
		err := look.write()
		switch {
		case err == nil:
			return false, nil
		case !look.refused(err):
			return false, fmt.Errorf("look for policies on node %s: %w", c.name, err)
		}
	}
	return true, nil
}

// falseKey returns a dry run that the policy warren-annotations refuses (422), for what it says.
func (c *Cluster) falseKey(uid string) patch {
	write := c.announcement(uid, mesh.Announcement{PublicKey: "is-there-a-policy"})
	write.dryRun = true
	return write
}

// foreignAnnotation returns a dry run that the policy warren-own-node refuses (403), because the annotation is none of
// warren's five.
func (c *Cluster) foreignAnnotation(uid string) patch {
	return patch{
		kind: types.MergePatchType, dryRun: true,
		body: map[string]any{"metadata": map[string]any{
			"uid": uid, "annotations": map[string]any{"warren.mesh/is-there-a-policy": "yes"},
		}},
	}
}

// otherEvent returns an Event that the policy warren-events refuses (403), because its reason is none of warren's.
func (c *Cluster) otherEvent(uid string) *corev1.Event {
	return c.event(uid, events.Event{Reason: "IsThereAPolicy", At: time.Now()})
}

// forbiddenByPolicy tells the refusal of an admission policy from that of the authorizer.
func forbiddenByPolicy(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy")
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
