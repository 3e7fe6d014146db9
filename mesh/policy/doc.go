// Package policy says which connections of this node's pods the cluster's NetworkPolicies let through. It is pure:
// Compile turns the cluster's pods, namespaces and policies into an nftables table as a value, Index does the same step
// by step as the cluster changes, and Judge tells for one connection what the table does with it and why. What a policy
// means is networking.k8s.io/v1 (https://kubernetes.io/docs/concepts/services-networking/network-policies/); the types
// here are those of the API without what decides nothing.
package policy
