// Package cluster is a Kubernetes cluster on one machine: a lab (see test/lab) whose nodes run containerd, kubelet and
// kube-proxy, with a scheduler, CoreDNS and the images that manifests and tests name. It begins without any CNI plugin, nodes
// not ready: `kubectl apply -k manifests/` is what is tested on it.
package cluster
