package cni

import (
	"testing"

	"github.com/containernetworking/cni/libcni"
)

// FuzzOurs: a file that somebody left where ours belongs may hold anything. What a runtime would read as another
// network must not be taken for ours, and ours must be.
func FuzzOurs(f *testing.F) {
	for _, content := range []string{
		`{"name":"warren","plugins":[{"type":"bridge"}]}`,
		`{"name":"x","Name":"warren","plugins":[{"type":"bridge"}]}`,
		`{"name":["warren"]}`,
		`{"name":"warren"} trailing`,
		`[]`,
		``,
	} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := libcni.NetworkConfFromBytes(content)
		if err == nil && ours(content) != (list.Name == Network) {
			t.Errorf("ours(%q) = %v, libcni reads network %q", content, ours(content), list.Name)
		}
	})
}

// FuzzReserved: what is taken for an address must be a plain one, whatever lies in host-local's directory.
func FuzzReserved(f *testing.F) {
	for _, name := range []string{"10.244.1.2", "fd00::2", "fe80::1%eth0", "lock", "last_reserved_ip.0",
		"::ffff:10.0.0.1", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		addr, ok := reserved(name)
		if ok != addr.IsValid() || addr.Zone() != "" {
			t.Errorf("reserved(%q) = %v, %v", name, addr, ok)
		}
	})
}

// FuzzAttached: what is taken for an attachment is complete, whatever lies in libcni's directory.
func FuzzAttached(f *testing.F) {
	for _, content := range []string{
		`{"containerId":"a","ifName":"eth0","networkName":"warren","cniArgs":[["K8S_POD_NAMESPACE","default"],` +
			`["K8S_POD_NAME","a"]],"result":{"cniVersion":"1.1.0","interfaces":[{"name":"br0"},{"name":"v1"},` +
			`{"name":"eth0","mac":"02:00:00:00:00:01","sandbox":"n"}],"ips":[{"interface":2,"address":"10.0.0.2/8"}]}}`,
		`{"networkName":"warren","result":{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24"}}}`,
		`{"networkName":"warren","result":{"cniVersion":"1.0.0","interfaces":[null],"ips":[null]}}`,
		`{"networkName":"warren","result":null}`,
		`[]`,
	} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := attached(content, "br0")
		if err == nil && a.Validate() != nil {
			t.Errorf("%s is %v: %v", content, a, a.Validate())
		}
	})
}
