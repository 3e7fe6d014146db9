package kube

import (
	"net"
	"time"

	"k8s.io/client-go/rest"
)

// probing detects within 20 seconds a connection that died without a FIN or RST: the own address has changed, or the
// API server's address has moved to another machine. The daemon mostly listens, so it sends nothing that would fail.
// The HTTP/2 pings of client-go take 45 seconds, during which peers would send to an address that this node no longer
// has.
var probing = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}

// dialer returns what connects to the API server: config's own Dial or else one whose connections are probed.
func dialer(config *rest.Config) dialFunc {
	if config.Dial != nil {
		return config.Dial
	}
	// client-go uses the same timeout.
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAliveConfig: probing}
	return dialer.DialContext
}
