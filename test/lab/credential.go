package lab

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Where the manifests put warren, and what they call it.
const (
	namespaceName  = "kube-system"
	serviceAccount = "warren"
)

// tokenLifetime is longer than any lab's life: nothing renews the token here.
const tokenLifetime = 24 * 3600

// credential writes a kubeconfig with a token bound to the node's own pod, as the kubelet projects one: it carries the
// node's name as a claim. The node keeps it, as a kubelet does, so that a daemon starts during an outage too.
func (n *Node) credential(ctx context.Context) (path string, err error) {
	if n.kubeconfig == "" {
		n.kubeconfig, err = n.newCredential(ctx)
	}
	return n.kubeconfig, err
}

func (n *Node) newCredential(ctx context.Context) (path string, err error) {
	pod, err := n.daemonPod(ctx)
	if err != nil {
		return "", fmt.Errorf("make the daemon's pod on %s: %w", n.Name, err)
	}
	seconds := int64(tokenLifetime)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &seconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name,
			UID: pod.UID},
	}}
	token, err := n.lab.core.ServiceAccounts(namespaceName).CreateToken(ctx, serviceAccount, request,
		metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token for the daemon of %s: %w", n.Name, err)
	}
	return n.lab.authority.TokenKubeconfig(n.lab.server(), n.Name, token.Status.Token)
}

// daemonPod is the Pod object that the token is bound to. No kubelet reads it: it says where it runs, and no more.
func (n *Node) daemonPod(ctx context.Context) (*corev1.Pod, error) {
	pods := n.lab.core.Pods(namespaceName)
	name := serviceAccount + "-" + n.Name
	pod, err := pods.Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return pod, err
	}
	return pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeName:           n.Name,
			ServiceAccountName: serviceAccount,
			Containers:         []corev1.Container{{Name: "warren", Image: "warren"}},
		},
	}, metav1.CreateOptions{})
}
