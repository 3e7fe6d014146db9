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
	"warren.mesh/mesh/kube/nodeobject"
)

// FieldManager is the owner, in the managedFields of Nodes, of what warren writes.
const FieldManager = "warren"

// Publish writes the five annotations of the own Node in one server-side apply. It overwrites what others wrote there.
// An apply that changes nothing leaves even the resourceVersion as it is. The error wraps mesh.ErrStale if the Node
// does not exist (404; it is never created), has another UID (409), or an admission policy refuses the announcement
// because it does not fit the Node (422).
func (c *Cluster) Publish(ctx context.Context, uid string, a mesh.Announcement) error {
	// An apply without a UID in its body creates the Node if it does not exist.
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
			"metadata":   map[string]any{"name": c.name, "uid": uid, "annotations": nodeobject.Annotations(a)},
		},
	}
}

// SetNetworkAvailable sets the own Node's condition NetworkUnavailable to False, unless Self says that it is False.
// Other conditions stay as they are. The error wraps mesh.ErrStale if the Node is not known, or has been replaced.
func (c *Cluster) SetNetworkAvailable(ctx context.Context) error {
	return c.setNetworkUnavailable(ctx, corev1.NodeCondition{
		Status: corev1.ConditionFalse, Reason: nodeobject.ReasonUp,
		Message: "warren has connected this node to the mesh",
	})
}

// SetNetworkUnavailable sets the condition to True with a reason for people, as SetNetworkAvailable sets it to False.
func (c *Cluster) SetNetworkUnavailable(ctx context.Context, reason string) error {
	return c.setNetworkUnavailable(ctx, corev1.NodeCondition{
		Status: corev1.ConditionTrue, Reason: nodeobject.ReasonNotUsed, Message: reason,
	})
}

func (c *Cluster) setNetworkUnavailable(ctx context.Context, want corev1.NodeCondition) error {
	self, ok := c.Self()
	if !ok {
		return fmt.Errorf("set the NetworkUnavailable condition of node %s: %w: it is not known", c.name, mesh.ErrStale)
	}
	if now := want.Status == corev1.ConditionTrue; now && self.NetworkUnavailable || !now && self.NetworkAvailable {
		return nil
	}
	want.Type = corev1.NodeNetworkUnavailable
	want.LastHeartbeatTime = metav1.Now()
	want.LastTransitionTime = want.LastHeartbeatTime
	return c.writeCondition(ctx, self.UID, want)
}

// writeCondition writes one condition of the own Node, if that has this UID.
func (c *Cluster) writeCondition(ctx context.Context, uid string, want corev1.NodeCondition) error {
	// An apply finds the condition by its type. A JSON merge patch would replace the whole list. A strategic merge
	// patch would make warren one more updater of the Node; of more than ten, the API server merges the oldest, and the
	// policy warren-own-node would take that for a forgery of others' managedFields.
	err := c.write(ctx, patch{
		kind:         types.ApplyPatchType,
		force:        true,
		subresources: []string{"status"},
		body: map[string]any{
			"apiVersion": "v1",
			"kind":       "Node",
			"metadata":   map[string]any{"name": c.name, "uid": uid},
			"status":     map[string]any{"conditions": []corev1.NodeCondition{want}},
		},
	})
	if err != nil {
		return fmt.Errorf("set the %s condition of node %s: %w", want.Type, c.name, err)
	}
	return nil
}

// patch is one write to the own Node.
type patch struct {
	kind types.PatchType
	body map[string]any
	// force takes over fields that others own. It is for server-side apply only.
	force bool
	// dryRun has the API server check the patch and not write it.
	dryRun       bool
	subresources []string
}

// write sends p. The caller decides when, and bounds the time by ctx. The error wraps mesh.ErrStale for 404, 409 and
// 422.
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
	_, err = c.clients.metadata.Patch(ctx, c.name, p.kind, data, options, p.subresources...)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsInvalid(err) {
		return fmt.Errorf("%w: %w", mesh.ErrStale, err)
	}
	return err
}
