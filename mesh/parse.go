package mesh

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"warren.mesh/keys"
)

// MaxNodeIPs is how many InternalIPs a node announces at most. Readers have no such limit, because they could not guard
// what they do not read. It is the limit of the admission policy on annotations, which compares each of them with each
// of status.addresses: the API server gives one expression a million steps.
const MaxNodeIPs = 512

// Bounds on what others write: a hostile value fills neither the memory nor the log.
const (
	// maxText is the length of the longest key, endpoint or number that is parsed, in bytes. A node with a longer one
	// is left out; its addresses and pod CIDRs are read, and guarded.
	maxText = 512
	// maxRanges is the length of the longest list of node IPs or pod CIDRs that is parsed, in bytes: what is not read
	// cannot be guarded. All annotations of an object together are no longer (TotalAnnotationSizeLimitB of
	// k8s.io/apimachinery).
	maxRanges = 256 << 10
	// maxQuoted is how much of a refused value a Problem quotes, in bytes.
	maxQuoted = 64
)

// Identity says which Node object this is, and which of two came first.
type Identity struct {
	Name, UID string
	// Created is the Node's creationTimestamp.
	Created time.Time
}

// Overrides is the text of the two annotations that an administrator sets on a Node; empty if not set.
type Overrides struct{ ForceEndpoint, Keepalive string }

// ParseNode returns what a node announces. It never fails: Malformed says what cannot be read, and what can be is in
// the Node all the same, because the addresses of a node that is left out stay fail-closed. A node that announces
// nothing has no Problems, whatever the overrides say; a node that announces some of the five fields has one for each
// missing field. If ForceEndpoint is set, the announced endpoint is not parsed.
//
// A public key counts only with a valid proof that the Node with this UID has its private half; keys.Public.Verify
// takes about 0.1 ms. Call ParseNode once for each content.
func ParseNode(id Identity, a Announcement, o Overrides) Node {
	n := Node{Name: id.Name, UID: id.UID, Created: id.Created}
	if a == (Announcement{}) {
		return n
	}
	n.readKey(a)
	if o.ForceEndpoint != "" {
		read(&n, FieldForceEndpoint, o.ForceEndpoint, &n.Endpoints, parseEndpoints)
	} else {
		read(&n, FieldEndpoint, a.Endpoint, &n.Endpoints, parseEndpoints)
	}
	read(&n, FieldPodCIDRs, a.PodCIDRs, &n.PodCIDRs, parsePodCIDRs)
	read(&n, FieldNodeIPs, a.NodeIPs, &n.NodeIPs, parseNodeIPs)
	if o.Keepalive != "" {
		read(&n, FieldKeepalive, o.Keepalive, &n.Keepalive, parseKeepalive)
	}
	return n
}

// readKey sets the public key if it is proven. Otherwise the node has none, so that nobody's key is in conflict with
// it, and no node looks like a copy of it. What cannot be read as a key has no second Problem for its proof.
func (n *Node) readKey(a Announcement) {
	var key keys.Public
	read(n, FieldPublicKey, a.PublicKey, &key, keys.ParsePublic)
	if key.IsZero() {
		return
	}
	read(n, FieldProof, a.Proof, &n.PublicKey, func(text string) (keys.Public, error) {
		proof, err := keys.ParseProof(text)
		if err != nil {
			return keys.Public{}, err
		}
		if !key.Verify(n.UID, proof) {
			return keys.Public{}, fmt.Errorf(
				"does not prove that this Node has the private key of %v: its daemon replaces a "+
					"wrong proof; if that does not happen, it is not running, or somebody else writes here", key)
		}
		return key, nil
	})
}

// missing says that a field is absent while others are there.
func missing(field Field) error {
	text := "missing: all five annotations are published together"
	if field == FieldProof {
		text += "; a node whose warren is older announces four: upgrade it"
	}
	return errors.New(text)
}

// read parses text into value, and turns what is wrong with it into a Problem of n.
func read[T any](n *Node, field Field, text string, value *T, parse func(string) (T, error)) {
	limit := maxText
	if field == FieldPodCIDRs || field == FieldNodeIPs {
		limit = maxRanges
	}
	err := missing(field)
	switch {
	case len(text) > limit:
		err = fmt.Errorf("%d bytes long, at most %d are read", len(text), limit)
	case text != "":
		*value, err = parse(text)
	}
	if err != nil {
		n.Malformed = append(n.Malformed, Problem{Node: n.Name, Field: field, Reason: err.Error()})
	}
}

// parseEndpoints parses text like "192.0.2.10:51820,[2001:db8::10]:51820". It accepts literals only: every node would
// resolve a name by itself, each with another answer.
func parseEndpoints(text string) ([]netip.AddrPort, error) {
	endpoints, err := parseList(text, func(item string) (netip.AddrPort, error) {
		e, err := netip.ParseAddrPort(item)
		if err != nil {
			return e, fmt.Errorf("%s is not IP:port", quote(item))
		}
		return e, checkEndpoint(e)
	})
	return onePerFamily(endpoints, err, netip.AddrPort.Addr)
}

// parsePodCIDRs parses text like "10.244.1.0/24,2001:db8:1::/64". It also returns ranges beyond the first of a family,
// although such a node is left out: they have to be guarded.
func parsePodCIDRs(text string) ([]netip.Prefix, error) {
	cidrs, err := parseList(text, func(item string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return p, fmt.Errorf("%s is not a CIDR", quote(item))
		}
		return p, checkPodCIDR(p)
	})
	_, err = onePerFamily(slices.Clone(cidrs), err, netip.Prefix.Addr)
	return unique(cidrs), err
}

// parseNodeIPs parses text like "192.0.2.10,2001:db8::10". An address that is listed twice counts once.
func parseNodeIPs(text string) ([]netip.Addr, error) {
	ips, err := parseList(text, func(item string) (netip.Addr, error) {
		ip, err := netip.ParseAddr(item)
		if err != nil {
			return ip, fmt.Errorf("%s is not an IP address", quote(item))
		}
		return ip, checkUnicast(ip)
	})
	return unique(ips), err
}

// parseKeepalive parses whole seconds, 0 to 65535, as `wg set … persistent-keepalive` takes them.
func parseKeepalive(text string) (time.Duration, error) {
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number of seconds from 0 to 65535", quote(text))
	}
	return time.Duration(seconds) * time.Second, nil
}

// parseList parses comma-separated items. It returns all that can be parsed, and the error of the first that cannot.
func parseList[T any](text string, parse func(string) (T, error)) ([]T, error) {
	var list []T
	var first error
	for item := range strings.SplitSeq(text, ",") {
		value, err := parse(item)
		switch {
		case err == nil:
			list = append(list, value)
		case first == nil:
			first = err
		}
	}
	return list, first
}

// onePerFamily cuts list down, in place, to the first value of each address family. It returns err or, if that is nil,
// an error that names the first value that it left out.
func onePerFamily[T any](list []T, err error, addr func(T) netip.Addr) ([]T, error) {
	var seen [2]bool
	kept := list[:0]
	for _, value := range list {
		family := familyOf(addr(value))
		if seen[family] {
			err = cmp.Or(err, fmt.Errorf("%v is the second of its address family, one is allowed", value))
			continue
		}
		seen[family] = true
		kept = append(kept, value)
	}
	return kept, err
}

// unique removes repetitions, in place, and keeps the order.
func unique[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(list, func(value T) bool {
		again := seen[value]
		seen[value] = true
		return again
	})
}

// quote returns text of unknown origin in a form that is fit for a log line.
func quote(text string) string {
	if len(text) <= maxQuoted {
		return strconv.QuoteToASCII(text)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.QuoteToASCII(text[:maxQuoted]), len(text))
}
