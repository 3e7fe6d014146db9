// Package survey reads a cluster for an operator: its Nodes, warren's DaemonSet and pods, the admission policies, and
// what the daemons of some nodes say of themselves. It works from any machine, and changes nothing. Each part that it
// may not read, or that does not answer in time, is left out and named. What follows from it all is for others.
package survey
