package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"warren.mesh/mesh"
	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/status"
)

// Read reads what the API server tells of the mesh. What it may not read, or not in time, is named in the result.
func (r *Reader) Read(ctx context.Context, now time.Time) status.Cluster {
	c := status.Cluster{
		APIVersion: status.APIVersion, Kind: status.ClusterKind, Source: status.SourceAPI, ObservedAt: now,
	}
	var pods map[string]*status.DaemonPod
	parts := []struct {
		part status.Part
		read func(context.Context) error
	}{
		{status.PartVersion, func(ctx context.Context) (err error) { c.Kubernetes, err = r.Version(ctx); return }},
		{status.PartNodes, func(ctx context.Context) (err error) { c.Nodes, c.Problems, err = r.nodes(ctx); return }},
		{status.PartPods, func(ctx context.Context) (err error) { pods, err = r.pods(ctx); return }},
		{status.PartAdmission, func(ctx context.Context) (err error) { c.Admission, err = r.admission(ctx); return }},
		{status.PartServices, func(ctx context.Context) (err error) { c.ServiceCIDRs, err = r.services(ctx); return }},
	}
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, p := range parts {
		group.Go(func() { errs[i] = p.read(ctx) })
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			c.Unread = append(c.Unread, status.Unread{Part: parts[i].part, Reason: err.Error()})
		}
	}
	for i, n := range c.Nodes {
		c.Nodes[i].Daemon = pods[n.Name]
	}
	return c
}

// zoneLabel is a Node's zone (k8s.io/api/core/v1, LabelTopologyZone).
const zoneLabel = corev1.LabelTopologyZone

// nodes reads all Nodes, and what the core finds wrong with them.
func (r *Reader) nodes(ctx context.Context) (all []status.ClusterNode, problems []mesh.Problem, err error) {
	var members []mesh.Node
	var eldest mesh.Self
	err = list(ctx, r, corev1.SchemeGroupVersion, "nodes", "", "",
		func() *corev1.NodeList { return &corev1.NodeList{} },
		func(page *corev1.NodeList) string {
			for i := range page.Items {
				node, member, self := summary(&page.Items[i])
				all, members = append(all, node), append(members, member)
				if !node.Announced {
					continue
				}
				if wrong := wrongWith(self); len(wrong) > 0 {
					problems = append(problems, wrong...)
				} else if eldest.Name == "" || elder(self, eldest) {
					eldest = self
				}
			}
			return page.Continue
		})
	slices.SortFunc(all, func(a, b status.ClusterNode) int { return cmp.Compare(a.Name, b.Name) })
	problems = append(problems, problemsOf(eldest, members)...)
	slices.SortFunc(problems, func(a, b mesh.Problem) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason))
	})
	return all, slices.Compact(problems), err
}

// wrongWith returns why a Node that has announced itself can be in no mesh now, as its own daemon says; none if it can.
// What its daemon would say of others is not known.
func wrongWith(self mesh.Self) []mesh.Problem {
	_, problems, err := mesh.Desired(mesh.Defaults(), self, nil)
	if err == nil {
		return nil
	}
	field := mesh.FieldPodCIDRs
	if errors.Is(err, mesh.ErrWaiting) && len(self.PodCIDRs) > 0 {
		field = mesh.FieldNodeIPs
	}
	return append(problems, mesh.Problem{Node: self.Name, Field: field, Reason: err.Error()})
}

// summary copies what matters of a Node, so that the object can be freed.
func summary(object *corev1.Node) (node status.ClusterNode, member mesh.Node, self mesh.Self) {
	self, overrides := nodeobject.Read(object)
	identity := mesh.Identity{Name: self.Name, UID: self.UID, Created: self.Created}
	member = mesh.ParseNode(identity, self.Published, overrides)
	self.PublicKey = member.PublicKey
	node = status.ClusterNode{
		Name: self.Name, Zone: strings.Clone(object.Labels[zoneLabel]), Announced: member.Announced(),
		PodCIDRs: self.PodCIDRs, NodeIPs: self.NodeIPs,
		Ready: slices.ContainsFunc(object.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}),
	}
	return node, member, self
}

func elder(a, b mesh.Self) bool {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.UID, b.UID)) < 0
}

// problemsOf returns what the daemon of the eldest Node would say of the others, of those with which nothing is wrong:
// it wins every conflict but those with elder ones, so it says of each what all say. Without cluster CIDRs, which no
// Node has, the core takes all pod CIDRs for the cluster's.
func problemsOf(eldest mesh.Self, members []mesh.Node) []mesh.Problem {
	if eldest.Name == "" {
		var all []mesh.Problem
		for _, m := range members {
			all = append(all, m.Malformed...)
		}
		return all
	}
	_, problems, _ := mesh.Desired(mesh.Defaults(), eldest, members)
	return problems
}

// daemonContainer is the container of the DaemonSet's pods whose image is the daemon's.
const daemonContainer = "warren"

// pods reads the DaemonSet's pods, by node.
func (r *Reader) pods(ctx context.Context) (map[string]*status.DaemonPod, error) {
	all := map[string]*status.DaemonPod{}
	err := list(ctx, r, corev1.SchemeGroupVersion, "pods", r.cfg.Namespace, selector,
		func() *corev1.PodList { return &corev1.PodList{} },
		func(page *corev1.PodList) string {
			for i := range page.Items {
				p := &page.Items[i]
				if p.Spec.NodeName == "" || p.DeletionTimestamp != nil {
					continue
				}
				all[strings.Clone(p.Spec.NodeName)] = daemonPod(p)
			}
			return page.Continue
		})
	if err == nil && len(all) == 0 {
		err = r.daemonSet(ctx)
	}
	return all, err
}

// daemonSet returns an error if there is no DaemonSet of warren's in the namespace. Where there are no pods, it tells a
// DaemonSet that has none from a wrong namespace. Without the right to read it there is no error.
func (r *Reader) daemonSet(ctx context.Context) error {
	there := false
	err := list(ctx, r, appsv1.SchemeGroupVersion, "daemonsets", r.cfg.Namespace, selector,
		func() *appsv1.DaemonSetList { return &appsv1.DaemonSetList{} },
		func(page *appsv1.DaemonSetList) string {
			there = there || len(page.Items) > 0
			return page.Continue
		})
	switch {
	case errors.Is(err, ErrForbidden), err == nil && there:
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("there is no DaemonSet of warren's in the namespace %s: say with -n where it is",
			r.cfg.Namespace)
	}
}

func daemonPod(p *corev1.Pod) *status.DaemonPod {
	d := status.DaemonPod{Name: strings.Clone(p.Name)}
	for _, c := range p.Spec.Containers {
		if c.Name == daemonContainer {
			d.Image = strings.Clone(c.Image)
		}
	}
	d.Reason = string(p.Status.Phase)
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			d.Ready = c.Status == corev1.ConditionTrue
		}
	}
	d.Reason = cmp.Or(stuck(p.Status.InitContainerStatuses), stuck(p.Status.ContainerStatuses), d.Reason)
	if d.Ready {
		d.Reason = ""
	} else if d.Reason == string(corev1.PodRunning) {
		d.Reason = "the daemon says that it is not ready"
	}
	return &d
}

// initializing is what the kubelet says of a container that waits for one before it.
const initializing = "PodInitializing"

// stuck says why the first container that has a reason of its own does not run; empty if none has.
func stuck(containers []corev1.ContainerStatus) string {
	for _, c := range containers {
		switch w, t := c.State.Waiting, c.State.Terminated; {
		case w != nil && w.Reason != initializing:
			return "container " + c.Name + ": " + strings.Clone(w.Reason)
		case t != nil && t.ExitCode != 0:
			return fmt.Sprintf("container %s: %s, exit status %d", c.Name, t.Reason, t.ExitCode)
		}
	}
	return ""
}

// admission returns warren's policies that are there with a binding that denies.
func (r *Reader) admission(ctx context.Context) (names []string, err error) {
	denies := map[string]bool{}
	err = list(ctx, r, admissionv1.SchemeGroupVersion, "validatingadmissionpolicybindings", "", selector,
		func() *admissionv1.ValidatingAdmissionPolicyBindingList {
			return &admissionv1.ValidatingAdmissionPolicyBindingList{}
		},
		func(page *admissionv1.ValidatingAdmissionPolicyBindingList) string {
			for _, b := range page.Items {
				if slices.Contains(b.Spec.ValidationActions, admissionv1.Deny) {
					denies[b.Spec.PolicyName] = true
				}
			}
			return page.Continue
		})
	if err != nil {
		return nil, err
	}
	err = list(ctx, r, admissionv1.SchemeGroupVersion, "validatingadmissionpolicies", "", selector,
		func() *admissionv1.ValidatingAdmissionPolicyList { return &admissionv1.ValidatingAdmissionPolicyList{} },
		func(page *admissionv1.ValidatingAdmissionPolicyList) string {
			for _, p := range page.Items {
				if denies[p.Name] {
					names = append(names, p.Name)
				}
			}
			return page.Continue
		})
	slices.Sort(names)
	return names, err
}

// services returns the ranges of Services.
func (r *Reader) services(ctx context.Context) (all []netip.Prefix, err error) {
	err = list(ctx, r, networkingv1.SchemeGroupVersion, "servicecidrs", "", "",
		func() *networkingv1.ServiceCIDRList { return &networkingv1.ServiceCIDRList{} },
		func(page *networkingv1.ServiceCIDRList) string {
			for _, s := range page.Items {
				for _, text := range s.Spec.CIDRs {
					if p, err := netip.ParsePrefix(text); err == nil {
						all = append(all, p)
					}
				}
			}
			return page.Continue
		})
	return all, err
}
