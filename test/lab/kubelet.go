package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// What is here is what a scheduler and a kubelet write to Pod objects, of pods that the lab itself attaches.

// podObject returns the Pod object of a node's pod, which it creates if the node has had none of this name.
func (n *Node) podObject(ctx context.Context, o PodOptions) (*corev1.Pod, error) {
	n.lab.mu.Lock()
	known := n.objects[o.Name]
	n.lab.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if err := n.lab.namespace(ctx, o.Namespace); err != nil {
		return nil, fmt.Errorf("make the namespace of pod %s: %w", o.Object, err)
	}
	created, err := n.lab.core.Pods(o.Namespace).Create(ctx, o.object(n), metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("make pod %s/%s: %w", o.Namespace, o.Object, err)
	}
	n.lab.mu.Lock()
	n.objects[o.Name] = created
	n.lab.mu.Unlock()
	return created, nil
}

// object is the Pod object of a node's pod, as the scheduler leaves it; the options are complete.
func (o PodOptions) object(n *Node) *corev1.Pod {
	labels := map[string]string{"pod": o.Object}
	maps.Copy(labels, o.Labels)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: o.Object, Namespace: o.Namespace, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName: n.Name, HostNetwork: o.hostNetwork,
			Containers: []corev1.Container{{Name: "c", Image: "none", Ports: o.Ports}},
		},
	}
}

// namespace makes a namespace with the account that all of its pods have; the controllers that would are not there.
func (l *Lab) namespace(ctx context.Context, name string) error {
	_, err := l.core.Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, err = l.core.ServiceAccounts(name).Create(ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// report writes to the API server, or if it is away, when StartAPI has it back: kubelets try again, too.
func (l *Lab) report(ctx context.Context, write func(context.Context) error) error {
	err := write(ctx)
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unreported = append(l.unreported, write)
	return nil
}

// reportAll writes what could not be written while the API server was away. A store that was lost has no such objects.
func (l *Lab) reportAll(ctx context.Context) error {
	l.mu.Lock()
	writes := l.unreported
	l.unreported = nil
	l.mu.Unlock()
	var errs []error
	for _, write := range writes {
		if err := write(ctx); !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// running writes that the pod runs, and its addresses.
func (p *Pod) running(ctx context.Context) error {
	return p.updateStatus(ctx, func(s *corev1.PodStatus) {
		s.Phase, s.PodIP, s.PodIPs = corev1.PodRunning, "", nil
		for _, addr := range p.Addrs() {
			s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: addr.String()})
		}
		if len(s.PodIPs) > 0 {
			s.PodIP = s.PodIPs[0].IP
		}
	})
}

// Complete writes that the pod has ended with success, as that of a Job does. Its network stays until Delete, and the
// object keeps its addresses.
func (p *Pod) Complete(t TB) {
	t.Helper()
	err := p.updateStatus(t.Context(), func(s *corev1.PodStatus) { s.Phase = corev1.PodSucceeded })
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// Label sets labels of the Pod object; the others stay.
func (p *Pod) Label(t TB, labels map[string]string) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		object, err := p.get(t.Context())
		if err != nil {
			return err
		}
		maps.Copy(object.Labels, labels)
		_, err = p.Node.lab.core.Pods(object.Namespace).Update(t.Context(), object, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatalf("label pod %s: %v", p.Name, err)
	}
}

func (p *Pod) updateStatus(ctx context.Context, edit func(*corev1.PodStatus)) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		object, err := p.get(ctx)
		if err != nil {
			return err
		}
		edit(&object.Status)
		_, err = p.Node.lab.core.Pods(object.Namespace).UpdateStatus(ctx, object, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("write the status of pod %s: %w", p.Name, err)
	}
	return nil
}

func (p *Pod) get(ctx context.Context) (*corev1.Pod, error) {
	return p.Node.lab.core.Pods(p.object.Namespace).Get(ctx, p.object.Name, metav1.GetOptions{})
}

// DeleteObject deletes the Pod object at once, as a kubelet does when the pod has ended.
func (p *Pod) DeleteObject(t TB) {
	t.Helper()
	l := p.Node.lab
	l.mu.Lock()
	delete(p.Node.objects, p.spec.Name)
	l.mu.Unlock()
	if err := l.report(t.Context(), l.deletion(p.object)); err != nil {
		t.Fatalf("delete pod %s: %v", p.Name, err)
	}
}

// deletePodObjects deletes those of all of the node's pods, as the garbage collector does when the Node is gone.
func (n *Node) deletePodObjects(t TB) {
	t.Helper()
	for _, object := range n.objects {
		if err := n.lab.report(t.Context(), n.lab.deletion(object)); err != nil {
			t.Fatalf("delete pod %s: %v", object.Name, err)
		}
	}
}

// deletion returns what deletes a Pod object at once.
func (l *Lab) deletion(object *corev1.Pod) func(context.Context) error {
	now := int64(0)
	options := metav1.DeleteOptions{GracePeriodSeconds: &now}
	if object.UID != "" {
		options.Preconditions = metav1.NewUIDPreconditions(string(object.UID))
	}
	return func(ctx context.Context) error {
		err := l.core.Pods(object.Namespace).Delete(ctx, object.Name, options)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
}

// ScheduleOnHost makes the Pod object of a pod that shares the node's network, and runs: nothing else of it is there.
func (n *Node) ScheduleOnHost(t TB, o PodOptions) *Pod {
	t.Helper()
	o.hostNetwork = true
	pod := n.Schedule(t, o)
	pod.SetAddrs(n.Addrs())
	if err := pod.running(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}
	return pod
}
