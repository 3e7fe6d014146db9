// Package lookup asks the kernel how it would treat a packet, for whoever looks at a node: which route it takes, which
// policy rules and routes of warren's are there, whether a pod's port is in the bridge, whether the guard's table is
// unaltered. It changes nothing, and needs no daemon. What its answers mean is for others.
package lookup
