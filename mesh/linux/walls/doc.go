// Package walls keeps the two nftables tables between pods in force: which pod is behind which port (mesh/ports), and
// what the cluster's NetworkPolicies let through (mesh/policy). It writes the difference, watches what others change,
// and reads counters, refused connections, and the ports that are there. It does not know what the rules mean.
package walls
