package policy

import (
	"net/netip"
	"slices"
	"testing"
)

// indexOf returns an Index of the input, committed.
func indexOf(in Input) *Index {
	ix := NewIndex()
	for _, n := range in.Nodes {
		ix.SetNode(n)
	}
	for _, n := range in.Namespaces {
		ix.SetNamespace(n)
	}
	for _, p := range in.Pods {
		ix.SetPod(p)
	}
	for _, p := range in.Policies {
		ix.SetPolicy(p)
	}
	for _, a := range in.Attached {
		ix.Attach(a)
	}
	ix.Commit()
	return ix
}

// What was let through and might not be any more has to be judged again; what is only added flushes nothing.
func TestTightens(t *testing.T) {
	web := ingress("web", with("app=a"), rule(podsWith("app=b"), namespacesWith("ns=y"), namespacesWith()),
		anybody().on(Port{TCP, "web", 0, 0}), rule(block("192.0.2.0/24")), rule(block("10.0.0.0/8", "10.244.0.0/16")))
	in := world(web, ingress("deny", with("app=b")))
	pod := func(i int, change func(*Pod)) func(*Index) {
		return func(ix *Index) {
			p := in.Pods[i]
			change(&p)
			ix.SetPod(p)
		}
	}
	more, fewer := web, web
	more.Ingress = append(slices.Clone(web.Ingress), rule(podsWith("app=new")))
	fewer.Ingress = web.Ingress[1:]
	several := func(ports ...Port) Policy {
		return ingress("several", with("app=b"), rule(podsWith("app=b"), podsWith("app=c")).on(ports...))
	}
	web80 := Port{TCP, "", 80, 0}
	single := func(ports ...Port) Policy {
		return ingress("single", with("app=b"), rule(podsWith("app=b")).on(ports...))
	}
	in.Policies = append(in.Policies, several(web80), single(web80))
	stranger := Node{Name: "new", InternalIPs: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}
	stranger.Gateways = []netip.Addr{netip.MustParseAddr("10.244.9.1")}
	stranger.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.9.0/24")}
	policies := func(all ...Policy) func(*Index) {
		return func(ix *Index) {
			for _, p := range all {
				ix.SetPolicy(p)
			}
		}
	}
	namespace := func(name, label string) func(*Index) {
		return func(ix *Index) { ix.SetNamespace(Namespace{name, labelled(label)}) }
	}
	moved := Attached{"y", "s", "5", both("d")} // from the other node
	none := func(ix *Index) {
		ix.DeletePolicy("x", "web")
		ix.DeletePolicy("x", "deny")
		ix.DeletePolicy("x", "several")
		ix.DeletePolicy("x", "single")
	}
	newcomer := Pod{Namespace: "y", Name: "new", UID: "7", Node: "there"}
	newcomer.Addrs = []netip.Addr{netip.MustParseAddr("10.244.2.9")}
	ports := append(slices.Clone(in.Pods[0].Ports), NamedPort{"web", TCP, 81})
	for name, c := range map[string]struct {
		event func(*Index)
		want  bool
	}{
		"nothing":                         {func(*Index) {}, false},
		"a peer comes":                    {func(ix *Index) { ix.SetPod(newcomer) }, false},
		"a pod becomes a peer":            {pod(3, func(p *Pod) { p.Labels = labelled("app=b") }), false},
		"a peer is no peer any more":      {pod(1, func(p *Pod) { p.Labels = labelled("app=z") }), true},
		"a peer goes":                     {func(ix *Index) { ix.DeletePod("y", "s") }, true},
		"a peer has a port more":          {pod(0, func(p *Pod) { p.Ports = ports }), false},
		"a named port goes":               {pod(0, func(p *Pod) { p.Ports = p.Ports[1:] }), true},
		"a namespace becomes a peer":      {namespace("x", "ns=y"), false},
		"a namespace is no peer any more": {namespace("y", ""), true},
		"a namespace goes":                {func(ix *Index) { ix.DeleteNamespace("y") }, true},
		"a pod becomes isolated":          {policies(egress("new", with("app=a"))), true},
		"an isolated pod may more":        {policies(ingress("new", with(), rule(podsWith()))), false},
		"a policy without rules more":     {policies(ingress("new", with("app=a"))), false},
		"a policy for nobody here":        {policies(ingress("new", with("app=none"))), false},
		"a rule comes":                    {policies(more), false},
		"a rule goes":                     {policies(fewer), true},
		"a port more for several peers":   {policies(several(web80, Port{TCP, "", 443, 0})), true}, // it is another set
		"a port more for one peer":        {policies(single(web80, Port{TCP, "", 443, 0})), false},
		"the last policy goes":            {none, false},
		"a node comes":                    {func(ix *Index) { ix.SetNode(stranger) }, true}, // with a gateway
		"a node of a block goes":          {func(ix *Index) { ix.DeleteNode("there") }, true},
		"a peer moves here":               {func(ix *Index) { ix.Attach(moved) }, true},
		"a peer of this node goes":        {func(ix *Index) { ix.Detach("y", "c", "3") }, true}, // a peer
		"an isolated pod goes":            {func(ix *Index) { ix.Detach("x", "b", "2") }, true},
	} {
		ix := indexOf(in)
		c.event(ix)
		if got := ix.Commit(); got.Tightens != c.want {
			t.Errorf("%s: tightens %t, want %t: %+v", name, got.Tightens, c.want, got.Edit)
		}
		if got := ix.Commit(); !got.Empty() || got.Tightens {
			t.Errorf("%s: a second commit has %+v", name, got)
		}
	}
}

// An isolated pod that is attached flushes nothing: nothing of it was let through before.
func TestAttachingAnIsolatedPodDoesNotTighten(t *testing.T) {
	in := world(ingress("deny", with()), egress("out", with("app=b"), rule(podsWith())))
	late := in.Attached[0]
	in.Attached = in.Attached[1:]
	ix := indexOf(in)
	ix.Attach(late)
	if edit := ix.Commit(); edit.Tightens || len(edit.Add) == 0 {
		t.Errorf("%+v", edit)
	}
}

// What is set again unchanged is no edit, and one pod's change is in no other pod's elements.
func TestEditsAreSmall(t *testing.T) {
	in := world(ingress("deny", with()), ingress("web", with("app=a"), rule(podsWith("app=s"), namespacesWith("ns=y"))))
	ix := indexOf(in)
	for range 2 {
		for _, p := range in.Pods {
			ix.SetPod(p)
		}
		for _, n := range in.Nodes {
			ix.SetNode(n)
		}
		for _, p := range in.Policies {
			ix.SetPolicy(p)
		}
		for _, n := range in.Namespaces {
			ix.SetNamespace(n)
		}
		for _, a := range in.Attached {
			ix.Attach(a)
		}
	}
	if edit := ix.Commit(); !edit.Empty() || edit.Tightens {
		t.Errorf("the same again: %+v", edit)
	}
	p := in.Pods[4]
	p.Addrs = p.Addrs[:1]
	ix.SetPod(p)
	edit := ix.Commit()
	if len(edit.Remove) != 1 || len(edit.Add)+len(edit.Chains)+len(edit.Sets)+len(edit.DropSets) != 0 {
		t.Errorf("one address less: %+v", edit)
	}
}
