// Package e2e holds the acceptance tests: what the mesh promises, shown with packets between real daemons on a real API
// server, in the clusters of test/lab. It has tests only.
package e2e
