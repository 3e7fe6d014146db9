package kube

import (
	"net"
	"time"

	"k8s.io/client-go/rest"
)

// probing finds out within 20 seconds that a connection is dead without either end having said so: the own address has
// changed, or the API server's has moved to another machine. The daemon mostly listens, so that nothing it sends would
// tell. HTTP/2's own pings, as client-go sends them, take 45 seconds, for which peers would be sending to an address that
// this node has no more.
var probing = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}

// dialing is the configuration with connections that are probed, unless it says how to connect.
func dialing(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	if c.Dial == nil {
		// The timeout is client-go's.
		dialer := net.Dialer{Timeout: 30 * time.Second, KeepAliveConfig: probing}
		c.Dial = dialer.DialContext
	}
	return c
}
