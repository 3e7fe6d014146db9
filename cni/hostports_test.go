package cni_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostPorts(t *testing.T) {
	c := node(t)
	c.CacheDir = filepath.Join(t.TempDir(), "var/lib/cni")
	for _, v6 := range []bool{false, true} {
		if pods, err := c.HostPorts(v6); err != nil || len(pods) > 0 {
			t.Errorf("before there is a pod: %v, %v", pods, err)
		}
	}
	for address, id := range map[string]string{
		"10.244.1.2": "web", "fd00:10:244:1::2": "web", "10.244.1.3": "plain", "10.244.1.4": "bound",
		"fd00:10:244:1::4": "bound", "10.244.1.5": "forgotten", "10.244.1.6": "broken",
	} {
		write(t, map[string]string{filepath.Join(c.RunDir, "ipam/warren", address): id + "\r\neth0"})
	}
	write(t, map[string]string{filepath.Join(c.RunDir, "ipam/warren/last_reserved_ip.0"): "10.244.1.5"})
	cached := func(id, ports string) {
		const form = `{"kind":"cniCacheV1","containerId":%q,"networkName":"warren",` +
			`"cniArgs":[["IgnoreUnknown","1"],["K8S_POD_NAMESPACE","default"],["K8S_POD_NAME",%[1]q]],` +
			`"capabilityArgs":{"dns":{},"portMappings":[%s]}}`
		content := fmt.Sprintf(form, id, ports)
		write(t, map[string]string{filepath.Join(c.CacheDir, "results/warren-"+id+"-eth0"): content})
	}
	cached("web", `{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":""},{"hostPort":53,"protocol":"UDP"}`)
	cached("plain", "")
	cached("bound", `{"hostPort":81,"protocol":"tcp","hostIP":"192.0.2.1"},{"hostPort":0,"protocol":"tcp"}`)
	cached("of yesterday", `{"hostPort":82,"protocol":"tcp"}`)
	write(t, map[string]string{filepath.Join(c.CacheDir, "results/warren-broken-eth0"): "{"})
	for v6, want := range map[bool]map[string]string{
		false: {"web": "default/web (53/udp, 8080/tcp)", "bound": "default/bound (81/tcp)"},
		true:  {"web": "default/web (53/udp, 8080/tcp)"},
	} {
		got, err := c.HostPorts(v6)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("IPv6 %v, %v (-want +got):\n%s", v6, err, diff)
		}
	}
}
