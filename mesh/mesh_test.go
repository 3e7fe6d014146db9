package mesh_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"warren.mesh/keys"
	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// key is the public half of the key that is called by name in goldens; see named.
func key(name string) keys.Public { return meshtest.Key(name).Public() }

// epoch is when the oldest nodes were created.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// config is the usual configuration with these cluster CIDRs.
func config(clusterCIDRs ...string) mesh.Config {
	cfg := mesh.Defaults()
	for _, text := range clusterCIDRs {
		cfg.ClusterCIDRs = append(cfg.ClusterCIDRs, netip.MustParsePrefix(text))
	}
	return cfg
}

// number is the i-th of the sound nodes of a dual-stack mesh, i from 1 to 65534. Keys take time, so each is made once.
func number(i int) mesh.Node {
	made, ok := madeNumbers.Load(i)
	if !ok {
		made, _ = madeNumbers.LoadOrStore(i, makeNumber(i))
	}
	n := made.(mesh.Node)
	n.Endpoints, n.PodCIDRs, n.NodeIPs = slices.Clone(n.Endpoints), slices.Clone(n.PodCIDRs), slices.Clone(n.NodeIPs)
	return n
}

// madeNumbers are the nodes that number has made.
var madeNumbers sync.Map

func makeNumber(i int) mesh.Node {
	created := epoch.Add(time.Duration(i) * time.Second)
	id := mesh.Identity{Name: fmt.Sprintf("n%d", i), UID: fmt.Sprintf("uid-%05d", i), Created: created}
	return mesh.ParseNode(id, announcement(i), mesh.Overrides{})
}

// proof is what the Node with this UID announces beside the key with this name. Each is made once.
func proof(name, uid string) keys.Proof {
	type of struct{ name, uid string }
	made, ok := madeProofs.Load(of{name, uid})
	if !ok {
		proof, err := meshtest.Key(name).Prove(uid)
		if err != nil {
			panic(err)
		}
		made, _ = madeProofs.LoadOrStore(of{name, uid}, proof)
	}
	return made.(keys.Proof)
}

// madeProofs are the proofs that proof has made.
var madeProofs sync.Map

func announcement(i int) mesh.Announcement {
	ip4 := netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})
	ip6 := fmt.Sprintf("2001:db8::%x", i)
	return mesh.Announcement{
		PublicKey: key(fmt.Sprintf("key-n%d", i)).String(),
		Proof:     proof(fmt.Sprintf("key-n%d", i), fmt.Sprintf("uid-%05d", i)).String(),
		Endpoint:  fmt.Sprintf("%v:51820,[%s]:51820", ip4, ip6),
		PodCIDRs:  fmt.Sprintf("10.%d.%d.0/24,fd00:10:244:%x::/64", i>>8, i&0xff, i),
		NodeIPs:   fmt.Sprintf("%v,%s", ip4, ip6),
	}
}

// numbers are the nodes 1 to n.
func numbers(n int) []mesh.Node {
	var nodes []mesh.Node
	for i := range n {
		nodes = append(nodes, number(i+1))
	}
	return nodes
}

// selfOf is the own node as the daemon on n knows it.
func selfOf(n mesh.Node) mesh.Self {
	return mesh.Self{
		Name: n.Name, UID: n.UID, Created: n.Created, PodCIDRs: n.PodCIDRs, NodeIPs: n.NodeIPs, PublicKey: n.PublicKey,
	}
}

// text is a list of anything, one a line.
func text[T any](list []T) string {
	var b strings.Builder
	for _, value := range list {
		fmt.Fprintln(&b, value)
	}
	return b.String()
}
