// Package conformance pins upstream's tests of Kubernetes, which test/cluster builds and runs: `go test -c` of what is
// imported here.
package conformance

import _ "k8s.io/kubernetes/test/e2e"
