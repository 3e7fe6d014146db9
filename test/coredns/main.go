// Command coredns is CoreDNS with the plugins that a cluster's DNS needs, for labs: all of upstream's plugins would
// bring every cloud's client library along, which takes minutes to build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// The order in which a query passes them: upstream's, of plugin.cfg.
	dnsserver.Directives = []string{"health", "ready", "errors", "cache", "loadbalance", "kubernetes", "forward"}
	coremain.Run()
}
