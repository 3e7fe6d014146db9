package manifests_test

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What the policies say. Where two of them deny, the API server says what either does.
const (
	foreignNode       verdict = "warren may write to its own Node only"
	otherSpec         verdict = "warren may not change a Node's spec"
	otherMetadata     verdict = "warren may not change a Node's labels"
	otherAnnotations  verdict = "warren may change its five annotations only"
	otherStatus       verdict = "warren may change the condition NetworkUnavailable only"
	otherOwners       verdict = "warren may not change who owns the fields"
	byKubelet         verdict = "a kubelet may not write warren's annotations"
	foreignAnnotation verdict = foreignNode + or + byAccount
	byAccount         verdict = "a ServiceAccount may write warren's annotations only of the Node that its token " +
		"was issued for"
	notNamed          verdict = "a ServiceAccount may write warren.mesh/force-endpoint and persistent-keepalive only if"
	notTogether       verdict = "are set together or not at all"
	badKey            verdict = "warren.mesh/public-key must be"
	badProof          verdict = "warren.mesh/proof must be"
	badPodCIDRs       verdict = "warren.mesh/pod-cidrs must be what spec.podCIDRs says"
	badNodeIPs        verdict = "warren.mesh/node-ips must be InternalIPs"
	badEndpoint       verdict = "warren.mesh/endpoint and force-endpoint must be"
	foreignEndpoint   verdict = "the addresses of warren.mesh/endpoint must be in status.addresses"
	badKeepalive      verdict = "warren.mesh/persistent-keepalive must be"
	podCIDRsByKubelet verdict = "a kubelet may not choose the spec.podCIDRs"
)

func attempts() []attempt {
	return slices.Concat(duties(), temptations(), forgeries(), identities(), contents(), overrides(), kubelets())
}

// duties are what a daemon has its token for.
func duties() []attempt {
	return []attempt{
		{"announce", fresh, fresh, false, announce, allowed},
		{"another key", own, own, false, newKey, allowed},
		{"withdraw", own, own, false, unset(published...), allowed},
		{"change nothing", own, own, false, all(), allowed},
		{"change nothing, of whatever revision", own, own, false, func(n *corev1.Node) { n.ResourceVersion = "" },
			allowed},
		{"take annotations over", taken, taken, false, newKey, allowed},
		{"take annotations away", taken, taken, false, unset(published...), allowed},
		{"withdraw among many writers", busy, busy, false, unset(published...), allowed},
		{"announce where no field has an owner", unowned, unowned, false, announce, allowed},
		{"announce many node IPs", many, many, false, announce, allowed},
		{"network available with many node IPs", many, many, true, networkAvailable, allowed},
		{"change nothing of a large Node", busy, busy, false, all(), allowed},
		{"change nothing of a large status", busy, busy, true, all(), allowed},
		{"mend what has become wrong", stale, stale, false, announce, allowed},
		{"announce what is not in canonical text", odd, odd, false, announce, allowed},
		{"announce what an older daemon did not", older, older, false, announce, allowed},
		{"withdraw what an older daemon announced", older, older, false, unset(published...), allowed},
		{"change nothing that an older daemon announced", older, older, false, all(), allowed},
		{"network available", own, own, true, networkAvailable, allowed},
		{"network available at last", taken, taken, true, networkAvailable, allowed},
		{"network available where no field has an owner", unowned, unowned, true, networkAvailable, allowed},
	}
}

// temptations are all else that a daemon's token could do to its own Node.
func temptations() []attempt {
	var list []attempt
	add := func(status bool, want verdict, changes map[string]change) {
		for name, c := range changes {
			list = append(list, attempt{name, own, own, status, c, want})
		}
	}
	metadata := map[string]change{
		"label": label, "new label": addLabel, "no label": removeLabel, "finalizer": finalizer,
		"no finalizers": removeFinalizers,
		"owner":         owner, "label beside a duty": all(newKey, label),
	}
	annotations := map[string]change{
		"annotation": annotation, "no annotation": removeAnnotation,
		"annotation beside a duty": all(newKey, annotation),
	}
	overrides := map[string]change{
		"force-endpoint": set(force, "203.0.113.2:4500"), "no force-endpoint": unset(force),
		"persistent-keepalive": set(keepalive, "1"), "no persistent-keepalive": unset(keepalive),
	}
	add(false, otherMetadata, metadata)
	add(true, otherMetadata, metadata)
	add(false, otherAnnotations, annotations)
	add(true, otherAnnotations, annotations)
	add(false, otherAnnotations+or+notNamed, overrides)
	add(true, otherAnnotations+or+notNamed, overrides)
	add(true, otherAnnotations, map[string]change{"key through status": newKey,
		"withdraw through status": unset(published...)})

	specs := map[string]change{"taint": taint, "no taints": removeTaints, "cordon": cordon, "provider": providerID}
	status := map[string]change{
		"not ready": notReady, "heartbeat": heartbeat, "pressure": pressure, "no conditions": removeConditions,
		"capacity": capacity,
		"kernel":   kernel, "image": image, "address": address, "new address": addAddress,
		"pressure beside a duty": all(networkAvailable, pressure),
	}
	add(false, otherSpec, specs)
	add(true, otherStatus, status)
	// The API server takes no status from the one, and no spec from the other.
	delete(status, "pressure beside a duty")
	add(true, ignored, specs)
	add(false, ignored, status)
	add(false, ignored, map[string]change{"network available": networkAvailable})
	return append(list, attempt{"pod CIDR", bare, bare, false, choosePodCIDR, otherSpec})
}

// forgeries are of the account that the API server keeps of who wrote which field. By the next apply of an owner, all
// that it owns and no longer says is removed.
func forgeries() (list []attempt) {
	// What gitops owns, and a place for more.
	const owned = `{"f:metadata":{"f:labels":{"f:example.com/team":{}%s},` +
		`"f:annotations":{"f:example.com/owner":{}%s}}%s}`
	const (
		label    = `,"f:example.com/zone":{}`
		note     = `,"f:example.com/note":{}`
		override = `,"f:warren.mesh/force-endpoint":{}`
	)
	const ready = `,"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:type":{}}}}`
	const network = `,"f:status":{"f:conditions":{"k:{\"type\":\"NetworkUnavailable\"}":{".":{},"f:type":{}}}}`
	owns := func(label, note, more string) string { return fmt.Sprintf(owned, label, note, more) }
	for name, c := range map[string]change{
		"label for another":             forge("gitops", "Apply", owns(label, "", "")),
		"annotation for another":        forge("gitops", "Apply", owns("", note, "")),
		"override for another":          forge("gitops", "Apply", owns("", override, "")),
		"taints for another":            forge("gitops", "Apply", owns("", "", `,"f:spec":{"f:taints":{}}`)),
		"addresses for another":         forge("gitops", "Apply", owns("", "", `,"f:status":{"f:addresses":{}}`)),
		"condition for another":         forge("gitops", "Apply", owns("", "", ready)),
		"network condition for another": forge("gitops", "Apply", owns("", "", network)),
		"fewer labels for another": forge("gitops", "Apply",
			`{"f:metadata":{"f:annotations":{"f:example.com/owner":{}}}}`),
		"labels for somebody new":            forge("kubectl", "Apply", owns(label, "", "")),
		"labels for itself":                  forge("warren", "Apply", owns(label, "", "")),
		"annotations for itself":             forge("warren", "Update", owns("", note, "")),
		"labels for before-first-apply":      forge("before-first-apply", "Update", owns(label, "", "")),
		"labels for ancient-changes":         forge("ancient-changes", "Update", owns(label, "", "")),
		"labels for client-side apply":       forge("kubectl-client-side-apply", "Update", owns(label, "", "")),
		"another without its fields":         disown("gitops"),
		"the kubelet without its fields":     disown("kubelet"),
		"nobody with any field":              forgetOwners,
		"label for another, beside a duty":   all(newKey, forge("gitops", "Apply", owns(label, "", ""))),
		"another without, beside a withdraw": all(unset(published...), disown("gitops")),
	} {
		list = append(list, attempt{name, own, own, false, c, otherOwners})
		if !strings.Contains(name, "beside") {
			// Through the status the API server takes none.
			list = append(list, attempt{name, own, own, true, c, ignored})
		}
	}
	somebodyNew := forge("kubectl", "Apply", owns(label, "", ""))
	return append(list,
		attempt{"label for another, among many writers", busy, busy, false,
			forge("gitops", "Apply", owns(label, "", "")), otherOwners},
		attempt{"nobody with any field, among many writers", busy, busy, false, forgetOwners, otherOwners},
		attempt{"labels where nobody owns any", unowned, unowned, false, somebodyNew, otherOwners},
		attempt{"labels where nobody owns any, beside what the server makes up", unowned, unowned, false,
			all(somebodyNew, forge("before-first-apply", "Update", owns(label, note, ""))), otherOwners},
	)
}

// identities are tokens of the right account that are not of the Node in question, and accounts that are not warren's.
func identities() (list []attempt) {
	for _, as := range []string{other, absent, "unbound"} {
		list = append(list,
			attempt{"another key", as, own, false, newKey, foreignAnnotation},
			attempt{"withdraw", as, own, false, unset(published...), foreignAnnotation},
			attempt{"announce", as, fresh, false, announce, foreignAnnotation},
			attempt{"network available", as, own, true, networkAvailable, foreignNode},
			attempt{"label", as, own, false, label, foreignNode},
			attempt{"nothing", as, own, false, all(), foreignNode},
		)
	}
	return append(list,
		attempt{"another key", "bound to the Node", own, false, newKey, allowed},
		attempt{"another key", "bound to the Node", other, false, newKey, foreignAnnotation},
		attempt{"label", "bound to the Node", own, false, label, otherMetadata},
		// An account of another name is held by what it writes.
		attempt{"another key", "stranger", other, false, newKey, byAccount},
		attempt{"withdraw", "stranger", other, false, unset(published...), byAccount},
		attempt{"another key", "stranger", own, false, newKey, allowed},
		// So it is by what no administrator has named it for.
		attempt{"force-endpoint", "stranger", other, false, set(force, "203.0.113.2:4500"), notNamed},
		attempt{"force-endpoint", "stranger", own, false, set(force, "203.0.113.2:4500"), notNamed},
		attempt{"no force-endpoint", "stranger", other, false, unset(force), notNamed},
		attempt{"persistent-keepalive", "stranger", other, true, set(keepalive, "1"), notNamed},
		attempt{"force-endpoint", "named", other, false, set(force, "203.0.113.2:4500"), allowed},
		attempt{"no overrides", "named", other, false, unset(force, keepalive), allowed},
		attempt{"persistent-keepalive", "named", other, true, set(keepalive, "1"), allowed},
		attempt{"force-endpoint", "named", fresh, false, set(force, "203.0.113.2:4500"), notNamed},
		attempt{"another key", "named", other, false, newKey, byAccount},
		attempt{"label", "stranger", other, false, label, allowed},
	)
}

// contents are announcements that a daemon's token may write to where, and yet not what; nor may an administrator.
func contents() (list []attempt) {
	for _, c := range []struct {
		name, node string
		change     change
		want       verdict
	}{
		{"no key", own, unset(publicKey), notTogether},
		{"no proof", own, unset(proof), notTogether},
		{"another key as an older daemon announces it", older,
			set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="), notTogether},
		{"no endpoint", own, unset(endpoint), notTogether},
		{"no pod CIDRs", own, unset(podCIDRs), notTogether},
		{"no node IPs", own, unset(nodeIPs), notTogether},
		{"a key alone", fresh, newKey, notTogether},
		{"a proof alone", fresh, set(proof, someProof), notTogether},
		{"four of the five", fresh, all(announce, unset(proof)), notTogether},
		{"a key on half an announcement", stale, newKey, notTogether},
		{"empty key", own, set(publicKey, ""), badKey},
		{"short key", own, set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8yg=="), badKey},
		{"long key", own, set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykwA"), badKey},
		{"key in two lines", own, set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\n"), badKey},
		{"key with a bit too much", own, set(publicKey, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykx="), badKey},
		{"zero key", own, set(publicKey, strings.Repeat("A", 43)+"="), badKey},
		{"empty proof", own, set(proof, ""), badProof},
		{"short proof", own, set(proof, someProof[4:]), badProof},
		{"long proof", own, set(proof, "AAAA"+someProof), badProof},
		{"unpadded proof", own, set(proof, strings.TrimRight(someProof, "=")), badProof},
		{"proof in two lines", own, set(proof, someProof+"\n"), badProof},
		{"proof in the alphabet of URLs", own, set(proof, strings.ReplaceAll(someProof, "+", "-")), badProof},
		{"proof with a bit too much", own, set(proof, someProof[:85]+"B=="), badProof},
		{"zero proof", own, set(proof, strings.Repeat("A", 86)+"=="), badProof},
		{"a key in the place of the proof", own, set(proof, announcement(own)[publicKey]), badProof},
		{"another's pod CIDRs", own, set(podCIDRs, announcement(other)[podCIDRs]), badPodCIDRs},
		{"one more pod CIDR", own, set(podCIDRs, announcement(own)[podCIDRs]+",10.0.0.0/8"), badPodCIDRs},
		{"one pod CIDR of two", own, set(podCIDRs, first(strings.Split(announcement(own)[podCIDRs], ","))),
			badPodCIDRs},
		{"a wider pod CIDR", own, set(podCIDRs, strings.Replace(announcement(own)[podCIDRs], "/24", "/16", 1)),
			badPodCIDRs},
		{"empty pod CIDRs", own, set(podCIDRs, ""), badPodCIDRs},
		{"pod CIDRs where there are none", bare, announce, badPodCIDRs},
		{"empty pod CIDRs where there are none", bare, all(announce, set(podCIDRs, "")), badPodCIDRs},
		{"pod CIDRs word for word", odd, all(announce,
			func(n *corev1.Node) { set(podCIDRs, strings.Join(n.Spec.PodCIDRs, ","))(n) }), badPodCIDRs},
		{"another's node IPs", own, set(nodeIPs, announcement(other)[nodeIPs]), badNodeIPs},
		{"one more node IP", own, set(nodeIPs, announcement(own)[nodeIPs]+",192.0.2.1"), badNodeIPs},
		{"external IP as node IP", own, set(nodeIPs, "203.0.113.100"), badNodeIPs},
		{"name as node IP", own, set(nodeIPs, own), badNodeIPs},
		{"link-local node IP", odd, all(announce, set(nodeIPs, "169.254.1.1")), badNodeIPs},
		{"empty node IPs", own, set(nodeIPs, ""), badNodeIPs},
		{"one node IP too many", many, all(announce, set(nodeIPs, announcement(many)[nodeIPs]+",172.31.9.110")),
			badNodeIPs},
		{"another's node IP among many", many, all(announce, set(nodeIPs,
			strings.Replace(announcement(many)[nodeIPs], "172.31.9.110", "172.31.9.100", 1))), badNodeIPs},
		{"another's endpoint", own, set(endpoint, announcement(other)[endpoint]), foreignEndpoint},
		{"one's own and another's endpoint", own, set(endpoint, "172.31.9.100:51820,[fd00:9::101]:51820"),
			foreignEndpoint},
		{"endpoint that begins like one's own", own, set(endpoint, "172.31.9.10:51820"), foreignEndpoint},
		{"link-local endpoint", odd, all(announce, set(endpoint, "169.254.1.1:51820")), badEndpoint},
	} {
		list = append(list, attempt{c.name, c.node, c.node, false, c.change, c.want},
			attempt{c.name, "admin", c.node, false, c.change, c.want})
	}
	for _, value := range badEndpoints {
		list = append(list, attempt{"endpoint " + value, own, own, false, set(endpoint, value), badEndpoint})
	}
	for _, value := range []string{"172.31.9.100:9", "[fd00:9::100]:65535", "[FD00:9:0::100]:51890",
		"203.0.113.100:51820", "[fd00:9::100]:51820,172.31.9.100:51820"} {
		list = append(list, attempt{"endpoint " + value, own, own, false, set(endpoint, value), allowed})
	}
	return append(list,
		attempt{"node IPs in another text", own, own, false, set(nodeIPs, "FD00:9::100"), allowed},
	)
}

var badEndpoints = []string{
	"", "172.31.9.100", "172.31.9.100:", "172.31.9.100:0", "172.31.9.100:65536", "172.31.9.100:051820",
	"172.31.9.100:+1", ":51820",
	"own:51820", "172.31.9.100:51820,", "172.31.9.100:51820, [fd00:9::100]:51820",
	"172.31.9.100:51820,172.31.9.100:51821",
	"[fd00:9::100]:51820,[fd00:9::100]:51821", "172.31.9.100:51820,[fd00:9::100]:51820,172.31.9.100:51820",
	"fd00:9::100:51820",
	"[172.31.9.100]:51820", "[fd00:9::100%eth0]:51820", "[::ffff:172.31.9.100]:51820", "172.31.9.256:51820",
	"172.31.9.0100:51820",
	"127.0.0.1:51820", "0.0.0.0:51820", "[::]:51820", "[::1]:51820", "224.0.0.1:51820", "[ff02::1]:51820",
	"[fe80::1]:51820",
	"255.255.255.255:51820", "172.31.9.100:51820\n", "172.31.9.100:51820,[fd00:9::100]:65536",
	"172.31.9.100:51820,[fe80::1]:51820",
}

// overrides are an administrator's: of any address, but well formed.
func overrides() (list []attempt) {
	for _, value := range badEndpoints {
		list = append(list, attempt{"force-endpoint " + value, "admin", fresh, false, set(force, value), badEndpoint})
	}
	for _, value := range []string{"203.0.113.9:4500", "[2001:DB8::9]:4500", "203.0.113.9:4500,[2001:db8::9]:65535"} {
		list = append(list, attempt{"force-endpoint " + value, "admin", fresh, false, set(force, value), allowed})
	}
	for _, value := range []string{"", "-1", "+1", "01", "1.5", "25s", "65536", "99999", "100000", " 1", "1\n"} {
		list = append(list, attempt{"persistent-keepalive " + value, "admin", fresh, false, set(keepalive, value),
			badKeepalive})
	}
	for _, value := range []string{"0", "9", "19", "65535"} {
		list = append(list, attempt{"persistent-keepalive " + value, "admin", fresh, false, set(keepalive, value),
			allowed})
	}
	return append(list,
		attempt{"no overrides", "admin", own, false, unset(force, keepalive), allowed},
		// What has become wrong is in nobody's way.
		attempt{"force-endpoint", "admin", stale, false, set(force, "203.0.113.9:4500"), allowed},
		attempt{"label", "admin", stale, false, label, allowed},
		attempt{"withdraw", "admin", stale, false, unset(published...), allowed},
		attempt{"withdraw", "admin", own, false, unset(published...), allowed},
		attempt{"taint", "admin", own, false, taint, allowed},
		attempt{"not ready", "admin", own, true, notReady, allowed},
	)
}

// kubelets may write much of their own Node, but nothing that peers act on.
func kubelets() []attempt {
	return []attempt{
		{"another key", "kubelet", own, false, newKey, byKubelet},
		{"another key through status", "kubelet", own, true, newKey, byKubelet},
		{"withdraw", "kubelet", own, false, unset(published...), byKubelet},
		{"force-endpoint", "kubelet", own, false, set(force, "203.0.113.2:4500"), byKubelet},
		{"no force-endpoint", "kubelet", own, false, unset(force), byKubelet},
		{"persistent-keepalive", "kubelet", own, true, set(keepalive, "1"), byKubelet},
		{"announce", "kubelet of bare", bare, false, announce, byKubelet},
		{"pod CIDR", "kubelet of bare", bare, false, choosePodCIDR, podCIDRsByKubelet},
		{"heartbeat", "kubelet", own, true, heartbeat, allowed},
		{"not ready, pressure, image, capacity", "kubelet", own, true, all(notReady, pressure, image, capacity),
			allowed},
		{"address", "kubelet", own, true, address, allowed},
		{"annotation", "kubelet", own, false, annotation, allowed},
		{"label", "kubelet", own, false, label, allowed},
		{"heartbeat", "kubelet of bare", bare, true, heartbeat, allowed},
	}
}
