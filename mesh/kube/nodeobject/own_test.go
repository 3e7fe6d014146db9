package nodeobject

import "testing"

// FuzzParseOwn shows that nothing which a kubelet or cloud provider writes is lost: each value is used or named.
func FuzzParseOwn(f *testing.F) {
	f.Add("10.244.1.0/24,fd00:10:1::/64", "192.0.2.10,2001:db8::10")
	f.Add("", "::ffff:192.0.2.10,,fe80::1%eth0")
	f.Add("10.244.1.5/24,300.0.0.0/8,/", "ip-10-0-0-1.internal")
	f.Fuzz(func(t *testing.T, cidrs, ips string) {
		self := ParseOwn(Own{PodCIDRs: cidrs, InternalIPs: ips})
		used := len(self.PodCIDRs) + len(self.NodeIPs)
		if values := len(split(cidrs)) + len(split(ips)); used+len(self.Malformed) != values {
			t.Errorf("%d values, of which %d are used and %d malformed", values, used, len(self.Malformed))
		}
		for _, prefix := range self.PodCIDRs {
			if prefix != prefix.Masked() {
				t.Errorf("%v has host bits", prefix)
			}
		}
		for _, addr := range self.NodeIPs {
			if addr.Is4In6() || addr.Zone() != "" {
				t.Errorf("%v is not a plain address", addr)
			}
		}
	})
}
