// Package cluster runs a Kubernetes cluster on one machine: a lab (see test/lab) whose nodes run containerd, kubelet
// and kube-proxy, with a scheduler, CoreDNS and the images that manifests and tests name. It starts without a CNI
// plugin, so its nodes are not ready: tests install warren by its manifests.
package cluster
