package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/events"
)

// eventComponent is who tells Events, as `kubectl describe node` names it.
const eventComponent = "warren"

// Tell creates an Event about the own Node, whose UID is uid, unless one with its reason was created within the same
// ten minutes of the clock, by an earlier daemon perhaps. It succeeds then too. The error wraps events.ErrRefused if
// the API server refuses the Event for what it is.
//
// It is an Event of the core group: the same objects as those of events.k8s.io, but with the two times that `kubectl
// get events` and other readers sort by, which the newer group does not let a client set.
func (c *Cluster) Tell(ctx context.Context, uid string, e events.Event) error {
	err := c.createEvent(ctx, c.event(uid, e))
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		err = fmt.Errorf("%w: %w", events.ErrRefused, err)
	}
	return fmt.Errorf("tell event %s about node %s: %w", e.Reason, c.name, err)
}

// createEvent creates it, or has the API server check it, if dryRun is metav1.DryRunAll.
func (c *Cluster) createEvent(ctx context.Context, e *corev1.Event, dryRun ...string) error {
	request := c.clients.core.Post().Namespace(e.Namespace).Resource("events").Param("fieldManager", FieldManager)
	for _, value := range dryRun {
		request.Param("dryRun", value)
	}
	return request.Body(e).Do(ctx).Error()
}

// event returns the object. Events about Nodes are in the namespace default: `kubectl describe node` finds them there,
// and the API server wants those about objects without a namespace there.
func (c *Cluster) event(uid string, e events.Event) *corev1.Event {
	kind := corev1.EventTypeWarning
	if e.Reason.Normal() {
		kind = corev1.EventTypeNormal
	}
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: eventName(c.name, e)},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: c.name, UID: types.UID(uid)},
		Reason:         string(e.Reason), Message: e.Note, Type: kind, Count: 1,
		FirstTimestamp: metav1.NewTime(e.At), LastTimestamp: metav1.NewTime(e.At),
		Source:              corev1.EventSource{Component: eventComponent, Host: c.name},
		ReportingController: eventComponent, ReportingInstance: c.name,
	}
}

// eventName returns NODE.REASON.NUMBER, with the number of the ten minutes since 1970. The policy warren-events wants
// it so.
func eventName(node string, e events.Event) string {
	number := e.At.Unix() / int64(events.Quiet/time.Second)
	return fmt.Sprintf("%s.%s.%x", node, strings.ToLower(string(e.Reason)), number)
}
