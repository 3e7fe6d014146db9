// Package cyclonus compares what mesh/policy says of a connection with cyclonus, an independent implementation of
// Kubernetes' network policies (https://github.com/mattfenwick/cyclonus). It is a module of its own, because the
// product does not depend on that one.
package cyclonus
