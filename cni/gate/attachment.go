// Package gate is what the CNI plugin warren-cni and the daemon say to each other over /run/warren/cni.sock, and what
// the daemon records of it. A pod is held closed until the daemon has answered that it is known.
package gate

import (
	"context"
	"net/netip"
)

// Attachment is a pod's connection to the node's bridge, as the plugins before the gate made it.
type Attachment struct {
	// Container is the ID of the pod's sandbox (CNI_CONTAINERID), and Interface the name inside it (CNI_IFNAME).
	Container string `json:"container"`
	Interface string `json:"interface"`
	// Namespace, Name and UID are the pod's (K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID of CNI_ARGS). UID is empty
	// where the container runtime does not tell it.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	// Port is the host's end of the veth pair, MAC the pod's hardware address in the form 02:00:00:00:00:01.
	Port string `json:"port"`
	MAC  string `json:"mac"`
	// Addrs are the pod's addresses, at most one per family.
	Addrs []netip.Addr `json:"addrs"`
}

// Daemon is what the gate asks of the daemon. All its functions may be called at the same time.
type Daemon interface {
	// Attach returns when the pod's port, addresses and policies are in force. The error says what is missing: ADD
	// fails with it, and the kubelet tries again.
	Attach(ctx context.Context, a Attachment) error
	// Detach takes the identity away before the address is free again. One that is not known is no error.
	Detach(ctx context.Context, container, ifname string) error
	// Check returns an error that names what is not in force of an attachment.
	Check(ctx context.Context, a Attachment) error
	// Ready returns nil while Attach could succeed, and else what is missing. It may return nil while a daemon that has
	// started waits and pods run that a former one has attached: an error makes the node unready.
	Ready(ctx context.Context) error
	// Keep takes away the identity of all attachments but those of the named containers (CNI's GC).
	Keep(ctx context.Context, containers []string) error
}
