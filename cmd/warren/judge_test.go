package main

import (
	"net/netip"
	"net/url"
	"testing"

	"warren.mesh/mesh/policy"
)

// A connection is the same on both sides of the socket, and what is none is refused.
func TestConnectionAsAQuery(t *testing.T) {
	for _, c := range []policy.Connection{
		{
			Client: netip.MustParseAddr("10.244.1.7"), Server: netip.MustParseAddr("10.244.2.9"), Protocol: "tcp",
			Port: 80,
		},
		{Client: netip.MustParseAddr("fd00::7"), Server: netip.MustParseAddr("fd00::9"), Protocol: "icmp"},
	} {
		values, err := url.ParseQuery(connectionValues(c).Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseConnection(values); got != c || err != nil {
			t.Errorf("%+v, %v; want %+v", got, err, c)
		}
	}
	for _, text := range []string{
		"", "client=10.0.0.1&server=10.0.0.2&protocol=tcp", "client=10.0.0.1&server=x&port=1",
		"client=x&server=10.0.0.2&port=1", "client=10.0.0.1&server=10.0.0.2&port=65536",
	} {
		values, _ := url.ParseQuery(text)
		if c, err := parseConnection(values); err == nil {
			t.Errorf("%q is %+v", text, c)
		}
	}
}
