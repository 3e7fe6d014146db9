package kube

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
)

// FieldManager owns what warren writes, in the managedFields of Nodes.
const FieldManager = "warren"

// Publish writes the four annotations of the own Node in one server-side apply. What others wrote there is
// overwritten; what is there already changes nothing, not even the resourceVersion. The error wraps mesh.ErrStale where
// the Node is not there (it is never created), has another UID, or an admission policy finds that the announcement does
// not fit the Node (404, 409, 422).
func (c *Cluster) Publish(ctx context.Context, uid string, a mesh.Announcement) error {
	// Without a UID in its body an apply creates the Node that it does not find.
	if uid == "" {
		return fmt.Errorf("publish the annotations of node %s: %w: its UID is not known", c.name, mesh.ErrStale)
	}
	if err := c.write(ctx, c.announcement(uid, a)); err != nil {
		return fmt.Errorf("publish the annotations of node %s: %w", c.name, err)
	}
	return nil
}

func (c *Cluster) announcement(uid string, a mesh.Announcement) patch {
	return patch{
		kind:  types.ApplyPatchType,
		force: true,
		body: map[string]any{
			"apiVersion": "v1",
			"kind":       "Node",
			"metadata":   map[string]any{"name": c.name, "uid": uid, "annotations": annotations(a)},
		},
	}
}

// Unpublish removes the four annotations of the own Node in one request. That they or the Node are not there is no error.
func (c *Cluster) Unpublish(ctx context.Context) error {
	nulls := map[string]any{}
	for name := range annotations(mesh.Announcement{}) {
		nulls[name] = nil
	}
	err := c.write(ctx, patch{
		kind: types.MergePatchType,
		body: map[string]any{"metadata": map[string]any{"annotations": nulls}},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the annotations of node %s: %w", c.name, err)
	}
	return nil
}

// SetNetworkAvailable sets the own Node's condition NetworkUnavailable to False where Self says that it is not; all
// other conditions are kept. The error wraps mesh.ErrStale where the Node is not known, or is another one by now.
func (c *Cluster) SetNetworkAvailable(ctx context.Context) error {
	self, ok := c.Self()
	if !ok {
		return fmt.Errorf("set the NetworkUnavailable condition of node %s: %w: it is not known", c.name, mesh.ErrStale)
	}
	if self.NetworkAvailable {
		return nil
	}
	// An apply finds the condition by its type. A JSON merge patch would replace the whole list; a strategic one would make
	// warren one more updater of the Node, and of more than ten the API server joins the eldest, which looks as if warren had
	// forged the managedFields of others.
	err := c.write(ctx, patch{
		kind:         types.ApplyPatchType,
		force:        true,
		subresources: []string{"status"},
		body: map[string]any{
			"apiVersion": "v1",
			"kind":       "Node",
			"metadata":   map[string]any{"name": c.name, "uid": self.UID},
			"status":     map[string]any{"conditions": []corev1.NodeCondition{available(metav1.Now())}},
		},
	})
	if err != nil {
		return fmt.Errorf("set the NetworkUnavailable condition of node %s: %w", c.name, err)
	}
	return nil
}

func available(now metav1.Time) corev1.NodeCondition {
	return corev1.NodeCondition{
		Type:               corev1.NodeNetworkUnavailable,
		Status:             corev1.ConditionFalse,
		Reason:             "WarrenIsUp",
		Message:            "warren has connected this node to the mesh",
		LastHeartbeatTime:  now,
		LastTransitionTime: now,
	}
}

// patch is one write to the own Node.
type patch struct {
	kind types.PatchType
	body map[string]any
	// force takes fields over that others own; for server-side apply only.
	force bool
	// dryRun has it checked and not written.
	dryRun       bool
	subresources []string
}

// write sends p. How long that may take, and when it is this daemon's turn, is up to the caller.
func (c *Cluster) write(ctx context.Context, p patch) error {
	data, err := json.Marshal(p.body)
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: FieldManager}
	if p.force {
		options.Force = &p.force
	}
	if p.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err = c.writer.Patch(ctx, c.name, p.kind, data, options, p.subresources...)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsInvalid(err) {
		return fmt.Errorf("%w: %w", mesh.ErrStale, err)
	}
	return err
}
