// Package meshtest owns what tests of other packages share: models of a host's network and of a cluster, a contract
// suite that keeps the host's model and Linux alike, and the check that a test may run as root. Only tests import it.
package meshtest
