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

// MaxNodeIPs is how many of its InternalIPs a node announces, and others accept. The admission policy on annotations
// has the same limit.
const MaxNodeIPs = 8

// Bounds on what others write, so that a hostile value costs neither memory nor a readable log.
const (
	// maxText is the longest value that is looked at, in bytes: eight IPv6 addresses need 319.
	maxText = 512
	// maxQuoted is how much of a refused value a Problem repeats, in bytes.
	maxQuoted = 64
)

// Identity tells one Node object from another, and which of two came first.
type Identity struct {
	Name, UID string
	// Created is the Node's creationTimestamp.
	Created time.Time
}

// Overrides is the text of the two annotations that an administrator sets on a Node; empty where not set.
type Overrides struct{ ForceEndpoint, Keepalive string }

// ParseNode reads what a node announces. It never fails: what cannot be read is in the Node's Malformed, what can be
// is in the Node all the same, because the addresses of a node that is left out stay guarded. A node that announces
// nothing has no Problems, whatever the overrides say; one that announces some of the four fields lacks the others.
// Where ForceEndpoint is set, the announced endpoint is not looked at.
func ParseNode(id Identity, a Announcement, o Overrides) Node {
	n := Node{Name: id.Name, UID: id.UID, Created: id.Created}
	if a == (Announcement{}) {
		return n
	}
	n.read(FieldPublicKey, a.PublicKey, func(text string) (err error) { n.PublicKey, err = keys.ParsePublic(text); return err })
	endpoint := func(text string) (err error) { n.Endpoints, err = parseEndpoints(text); return err }
	if o.ForceEndpoint != "" {
		n.read(FieldForceEndpoint, o.ForceEndpoint, endpoint)
	} else {
		n.read(FieldEndpoint, a.Endpoint, endpoint)
	}
	n.read(FieldPodCIDRs, a.PodCIDRs, func(text string) (err error) { n.PodCIDRs, err = parsePodCIDRs(text); return err })
	n.read(FieldNodeIPs, a.NodeIPs, func(text string) (err error) { n.NodeIPs, err = parseNodeIPs(text); return err })
	if o.Keepalive != "" {
		n.read(FieldKeepalive, o.Keepalive, func(text string) (err error) { n.Keepalive, err = parseKeepalive(text); return err })
	}
	return n
}

// read hands text to parse and turns what is wrong with it into a Problem.
func (n *Node) read(field Field, text string, parse func(string) error) {
	err := errors.New("missing: all four annotations are published together")
	switch {
	case len(text) > maxText:
		err = fmt.Errorf("%d bytes long, at most %d are read", len(text), maxText)
	case text != "":
		err = parse(text)
	}
	if err != nil {
		n.Malformed = append(n.Malformed, Problem{Node: n.Name, Field: field, Reason: err.Error()})
	}
}

// parseEndpoints reads "192.0.2.10:51820,[2001:db8::10]:51820": literals only, because a name would have to be resolved
// by every node, each with an answer of its own.
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

// parsePodCIDRs reads "10.244.1.0/24,2001:db8:1::/64".
func parsePodCIDRs(text string) ([]netip.Prefix, error) {
	cidrs, err := parseList(text, func(item string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return p, fmt.Errorf("%s is not a CIDR", quote(item))
		}
		return p, checkPodCIDR(p)
	})
	return onePerFamily(cidrs, err, netip.Prefix.Addr)
}

// parseNodeIPs reads "192.0.2.10,2001:db8::10". An address listed twice counts once.
func parseNodeIPs(text string) ([]netip.Addr, error) {
	ips, err := parseList(text, func(item string) (netip.Addr, error) {
		ip, err := netip.ParseAddr(item)
		if err != nil {
			return ip, fmt.Errorf("%s is not an IP address", quote(item))
		}
		return ip, checkUnicast(ip)
	})
	ips = unique(ips)
	if len(ips) > MaxNodeIPs {
		return ips[:MaxNodeIPs], fmt.Errorf("%d addresses, at most %d are read", len(ips), MaxNodeIPs)
	}
	return ips, err
}

// parseKeepalive reads whole seconds, 0 to 65535, as `wg set … persistent-keepalive` takes them.
func parseKeepalive(text string) (time.Duration, error) {
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number of seconds from 0 to 65535", quote(text))
	}
	return time.Duration(seconds) * time.Second, nil
}

// parseList reads comma-separated items: all that can be read, and the error of the first that cannot.
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

// onePerFamily cuts list down, in place, to the first of each address family. err is passed on before what is found here.
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
	kept := list[:0]
	for _, value := range list {
		if !slices.Contains(kept, value) {
			kept = append(kept, value)
		}
	}
	return kept
}

// quote makes text of unknown origin fit for a log line.
func quote(text string) string {
	if len(text) <= maxQuoted {
		return strconv.QuoteToASCII(text)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.QuoteToASCII(text[:maxQuoted]), len(text))
}
