// Package doctor looks for what is wrong with a mesh. It owns the list of checks, each with an ID that is stable API,
// and says what one node's report, or a cluster's, means for each of them. It is pure: values in, checks out. Who reads
// a node or a cluster, and how a check is written, is for others.
package doctor
