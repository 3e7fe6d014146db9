package lab

import (
	"path/filepath"
	"strconv"
	"strings"
)

// etcdURL is on the control machine's loopback: nobody else's.
const etcdURL = "http://127.0.0.1:2379"

// The stores that etcd has in a lab: the usual one, and one that is empty at first.
const (
	usualStore = "etcd"
	emptyStore = "etcd-empty"
)

func (l *Lab) etcdArgs(store string) []string {
	const peerURL = "http://127.0.0.1:2380"
	return []string{
		"--data-dir=" + filepath.Join(l.Dir, "disks", store),
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL, "--initial-cluster=default=" +
			peerURL,
		// What a lab keeps need not survive the machine that it runs on.
		"--unsafe-no-fsync",
	}
}

func (l *Lab) apiServerArgs() []string {
	pki, f := l.authority.File, l.options.Family
	address := pick(f, controlIPs)[0].String()
	args := []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=" + address, "--advertise-address=" + address, "--secure-port=6443",
		"--service-cluster-ip-range=" + commas(l.ServiceCIDRs()),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + pki("ca.crt"),
		"--tls-cert-file=" + pki(apiServerName+".crt"), "--tls-private-key-file=" + pki(apiServerName+".key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
		"--audit-policy-file=" + l.auditPolicyFile(), "--audit-log-path=" + l.auditFile(), "--audit-log-mode=blocking",
		"--allow-privileged=true", "--profiling=false",
	}
	if l.options.Kubelets {
		return append(args,
			"--egress-selector-config-file="+l.egressFile(),
			"--kubelet-certificate-authority="+pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate="+pki(kubeletClientName+".crt"),
			"--kubelet-client-key="+pki(kubeletClientName+".key"))
	}
	// The Service "kubernetes" has no use without pods, and its endpoints would be written at every start.
	return append(args, "--endpoint-reconciler-type=none")
}

// nodeIPAMArgs are those of the one controller that a mesh needs. There is no node lifecycle and no garbage collection
// of pods, because no kubelet reports anything here, and no DaemonSet controller, because the lab runs the daemons
// itself.
func (l *Lab) nodeIPAMArgs() []string {
	return append(l.rangeArgs(), "--node-cidr-mask-size="+joined(pick(l.options.Family, podMaskSizes)))
}

// rangeArgs are common to that controller and to kube-controller-manager.
func (l *Lab) rangeArgs() []string {
	return []string{
		"--kubeconfig=" + l.authority.File(controllersName+".kubeconfig"),
		"--cluster-cidr=" + commas(l.ClusterCIDRs()), "--service-cluster-ip-range=" + commas(l.ServiceCIDRs()),
	}
}

func (l *Lab) controllerArgs() []string {
	pki := l.authority.File
	args := append(l.rangeArgs(),
		"--controllers=*", "--service-account-private-key-file="+pki("sa.key"), "--root-ca-file="+pki("ca.crt"),
		"--allocate-node-cidrs=true", "--leader-elect=false", "--bind-address=127.0.0.1")
	sizes := pick(l.options.Family, podMaskSizes)
	if len(sizes) == 1 {
		return append(args, "--node-cidr-mask-size="+strconv.Itoa(sizes[0]))
	}
	return append(args, "--node-cidr-mask-size-ipv4="+strconv.Itoa(sizes[0]),
		"--node-cidr-mask-size-ipv6="+strconv.Itoa(sizes[1]))
}

func joined(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}
