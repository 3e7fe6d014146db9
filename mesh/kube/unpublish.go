package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
)

// Unpublish removes from the own Node what daemons have said there: the five annotations, in one request, and what the
// condition NetworkUnavailable says in warren's name. It succeeds if there is nothing of it, or no such Node.
func (c *Cluster) Unpublish(ctx context.Context) error {
	err := c.removeAnnotations(ctx)
	if err == nil {
		err = c.retireCondition(ctx)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Cluster) removeAnnotations(ctx context.Context) error {
	nulls := map[string]any{}
	for name := range nodeobject.Annotations(mesh.Announcement{}) {
		nulls[name] = nil
	}
	err := c.write(ctx, patch{
		kind: types.MergePatchType,
		body: map[string]any{"metadata": map[string]any{"annotations": nulls}},
	})
	if err != nil {
		return fmt.Errorf("remove the annotations of node %s: %w", c.name, err)
	}
	return nil
}

// retireCondition sets the condition NetworkUnavailable to False if warren's daemon has written it. True would keep the
// node tainted for as long as no other network sets it. It is not removed, because an apply removes only fields that
// nobody else owns: where a cloud's route controller has set the condition too, half of it would stay.
func (c *Cluster) retireCondition(ctx context.Context) error {
	list, err := c.clients.oneNode(c.name).ListWithContextFunc(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("read the conditions of node %s: %w", c.name, err)
	}
	for _, node := range list.(*corev1.NodeList).Items {
		if left, ok := nodeobject.Left(&node); ok {
			return c.writeCondition(ctx, string(node.UID), retired(left))
		}
	}
	return nil
}

// retired is what the condition says after warren was removed.
func retired(c corev1.NodeCondition) corev1.NodeCondition {
	c.LastHeartbeatTime = metav1.Now()
	if c.Status != corev1.ConditionFalse {
		c.LastTransitionTime = c.LastHeartbeatTime
	}
	c.Status, c.Reason = corev1.ConditionFalse, nodeobject.ReasonRemoved
	c.Message = "warren was removed from this node"
	return c
}
