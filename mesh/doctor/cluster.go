package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// policies are the admission policies of the manifests.
var policies = []string{"warren-annotations", "warren-events", "warren-kubelet", "warren-own-node"}

// CheckCluster makes all checks of a cluster: what the API server tells, and the worst of what the nodes found that
// were asked. A check that no node has made is unknown.
func CheckCluster(d view.ClusterDocument) []view.Check {
	c := cluster{d}
	own := map[ID]func() found{
		APIServer: c.apiServer, KubernetesVersion: c.kubernetes, AdmissionPolicies: c.admission, DaemonReady: c.ready,
		DaemonVersions: c.versions, NodesInMesh: c.inMesh, ClusterCIDRs: c.ranges,
	}
	var all []view.Check
	for _, e := range entries {
		f := c.ofNodes(e.ID)
		if check := own[e.ID]; check != nil && e.Scope == OnCluster {
			f = check()
		} else if check != nil {
			f = merged(check(), f, e.ID)
		}
		all = append(all, f.of(e))
	}
	return all
}

type cluster struct{ view.ClusterDocument }

// worse returns the worse of two, the first if both are alike.
func worse(a, b found) found {
	if b.result.Worse(a.result) {
		return b
	}
	return a
}

// merged returns the worse of two. What is unknown in one hides no warning of the other.
func merged(a, b found, id ID) found {
	if b.result.Worse(a.result) {
		a, b = b, a
	}
	if a.result == view.Unknown && (b.result == view.Warn || b.remedy != "") {
		a.figure = cmp.Or(a.figure, b.figure)
		return a.beside(b.detail, id)
	}
	return a
}

// beside returns what is unknown with a warning before it, and with the remedy for that.
func (f found) beside(warning string, id ID) found {
	if warning == "" {
		return f
	}
	e, _ := Find(id)
	f.detail, f.remedy = warning+"; "+f.detail, cmp.Or(f.remedy, e.Remedy)
	return f
}

// ofNodes returns the worst of what nodes found of a check, with the names of those that found it.
func (c cluster) ofNodes(id ID) found {
	worst, made := view.OK, 0
	details := map[view.Result][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Reports)) {
		for _, check := range c.Reports[name].Checks {
			if check.ID != string(id) {
				continue
			}
			made++
			if check.Result.Worse(worst) {
				worst = check.Result
			}
			if check.Result != view.OK || check.Detail != "" {
				details[check.Result] = append(details[check.Result], name+": "+check.Detail)
			}
		}
	}
	switch {
	case made == 0 && len(c.Reports) > 0:
		return missing("the nodes that were asked do not make this check: they run another version")
	case made == 0:
		return missing(c.Silence())
	}
	f := found{result: worst, figure: fmt.Sprintf("%d asked", made), detail: view.First(details[worst], "; ")}
	if worst == view.Unknown {
		f = f.beside(view.First(details[view.Warn], "; "), id)
	}
	return f.without(slices.Sorted(maps.Keys(c.Silent)), id)
}

// without returns f if some nodes have not answered: what the others found stays, and its remedy too.
func (f found) without(silent []string, id ID) found {
	if len(silent) == 0 {
		return f
	}
	text := "no answer from " + view.First(silent, ", ")
	if f.detail != "" {
		text = f.detail + "; " + text
	}
	f.detail = text
	if f.result == view.Warn {
		e, _ := Find(id)
		f.remedy = cmp.Or(f.remedy, e.Remedy)
	}
	if f.result != view.Fail {
		f.result = view.Unknown
	}
	return f
}

func missing(reason string) found { return found{result: view.Unknown, detail: reason} }

// apiServer is Unknown if any part could not be read: rights are missing, or the API server did not answer.
func (c cluster) apiServer() found {
	var texts []string
	for _, u := range c.Unread {
		texts = append(texts, u.Reason)
	}
	if len(texts) > 0 {
		return missing(view.First(texts, "; "))
	}
	return well
}

// leastMinor is the minor version of Kubernetes 1 that README requires. An API server takes a function of CEL in new
// policies one minor version after it has it, and transformMap came with 1.32.
const leastMinor = 33

func (c cluster) kubernetes() found {
	if reason := c.Missing(status.PartVersion); reason != "" {
		return missing(reason)
	}
	major, minor, ok := parseVersion(c.Kubernetes)
	switch {
	case !ok:
		return missing("it says that it is " + c.Kubernetes)
	case major < 1 || major == 1 && minor < leastMinor:
		return found{result: view.Fail, detail: c.Kubernetes}
	default:
		return found{result: view.OK, figure: c.Kubernetes}
	}
}

func (c cluster) admission() found {
	if reason := c.Missing(status.PartAdmission); reason != "" {
		return missing(reason)
	}
	var absent []string
	for _, name := range policies {
		// Overlays may give names a prefix or a suffix.
		if !slices.ContainsFunc(c.Admission, func(there string) bool { return strings.Contains(there, name) }) {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		detail := "not there, or without a binding that denies: " + strings.Join(absent, ", ")
		return found{result: view.Fail, detail: detail}
	}
	return well
}

func (c cluster) ready() found {
	reason := cmp.Or(c.Missing(status.PartNodes), c.Missing(status.PartPods))
	if reason != "" {
		return missing(reason)
	}
	details := c.NotReady()
	f := found{result: view.OK, figure: fmt.Sprintf("%d/%d", len(c.Nodes)-len(details), len(c.Nodes))}
	if len(details) > 0 {
		f.result, f.detail = view.Fail, view.First(details, "; ")
	}
	return f
}

// versions compares the images' tags, or what the daemons that were asked say.
func (c cluster) versions() found {
	if reason := c.Missing(status.PartPods); reason != "" {
		return missing(reason)
	}
	images := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Daemon != nil {
			images[n.Daemon.Image] = true
		}
	}
	names := slices.Sorted(maps.Keys(images))
	if len(names) == 0 {
		return missing("there is no daemon")
	}
	if len(names) == 1 {
		return found{result: view.OK, detail: "all have the image " + names[0]}
	}
	least, most, known := -1, -1, true
	for _, image := range names {
		_, minor, ok := parseVersion(tag(image))
		known = known && ok
		if least < 0 || minor < least {
			least = minor
		}
		most = max(most, minor)
	}
	f := found{result: view.Warn, detail: "several images: " + view.First(names, ", ")}
	if known && most-least > 1 {
		f.result = view.Fail
	}
	return f
}

// tag returns an image's tag; empty for one without.
func tag(image string) string {
	name, _, _ := strings.Cut(image, "@")
	i := strings.LastIndexByte(name, ':')
	if i < strings.LastIndexByte(name, '/') {
		return ""
	}
	return name[i+1:]
}

// parseVersion reads the first two numbers of "v1.37.2" or "1.37".
func parseVersion(text string) (major, minor int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	digits := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		parts[1] = parts[1][:digits]
	}
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}

func (c cluster) inMesh() found {
	if reason := c.Missing(status.PartNodes); reason != "" {
		return missing(reason)
	}
	var texts []string
	for _, p := range c.Problems {
		texts = append(texts, fmt.Sprintf("%s: %s: %s", p.Node, p.Field, p.Reason))
	}
	for _, n := range c.Nodes {
		if !n.Announced {
			texts = append(texts, n.Name+" announces nothing")
		}
	}
	if len(texts) > 0 {
		return found{result: view.Fail, detail: view.First(texts, "; ")}
	}
	return well
}

// ranges looks for ranges that overlap with a Service range or contain a node's address: the Nodes' pod CIDRs, and the
// cluster CIDRs of the daemons that were asked. Packets to Services that a cluster CIDR contains die on every node: the
// rule for it is looked up before kube-proxy translates what the host itself sends.
func (c cluster) ranges() found {
	reason := cmp.Or(c.Missing(status.PartNodes), c.Missing(status.PartServices))
	if reason != "" {
		return missing(reason)
	}
	var texts []string
	addrs := map[netip.Addr]string{}
	for _, n := range c.Nodes {
		for _, ip := range n.NodeIPs {
			addrs[ip] = n.Name
		}
	}
	sorted := slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare)
	look := func(whose string, p netip.Prefix) {
		for _, s := range c.ServiceCIDRs {
			if s.Overlaps(p) {
				texts = append(texts, fmt.Sprintf("%s: %v overlaps with the Service range %v", whose, p, s))
			}
		}
		i, _ := slices.BinarySearchFunc(sorted, p.Masked().Addr(), netip.Addr.Compare)
		if i < len(sorted) && p.Contains(sorted[i]) {
			ip := sorted[i]
			texts = append(texts, fmt.Sprintf("%s: %v contains node %s's address %v", whose, p, addrs[ip], ip))
		}
	}
	configured, told := c.configured()
	for _, p := range slices.SortedFunc(maps.Keys(configured), netip.Prefix.Compare) {
		look("cluster CIDR of "+view.First(configured[p], ", "), p)
	}
	for _, n := range c.Nodes {
		for _, p := range n.PodCIDRs {
			look(n.Name, p)
		}
	}
	switch {
	case len(texts) > 0:
		return found{result: view.Fail, detail: view.First(texts, "; ")}
	case !told:
		return missing("no daemon has told its cluster CIDRs")
	default:
		return well
	}
}

// configured returns the cluster CIDRs of the daemons that were asked, with the nodes' names, and whether any has told
// its own: those of earlier versions do not.
func (c cluster) configured() (nodes map[netip.Prefix][]string, told bool) {
	nodes = map[netip.Prefix][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Reports)) {
		s := c.Reports[name].Status
		if s == nil {
			continue
		}
		told = told || s.ClusterCIDRs != nil
		for _, p := range s.ClusterCIDRs {
			nodes[p] = append(nodes[p], name)
		}
	}
	return nodes, told
}
