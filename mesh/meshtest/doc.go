// Package meshtest owns what tests of the other packages stand on: a model of a host's network and of a cluster, one
// contract suite that keeps the model and Linux alike, and the guard of tests that need root. It is imported by tests
// only.
package meshtest
