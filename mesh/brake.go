package mesh

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"warren.mesh/keys"
)

// fewPeers is how many peers a mesh must have for a loss to be a mass loss. Of three, two may well be gone on purpose.
const fewPeers = 4

// Brake holds back the loss of many peers at once: of more than half of at least four. An API server that returns with
// another store looks like that, and so does a cluster that is taken apart, which can wait. What is new or different
// goes through meanwhile.
//
// A Brake is a value: Next returns the one for the next step. Each peer's loss has its own clock, so that no later loss
// prolongs or shortens an earlier one's wait. All losses of the last Delay count together, those that went through too:
// peers that vanish one by one are held from the one on that makes them more than half. While any is held, each further
// loss is. A peer is one by its public key; one whose addresses have all gone to others, as after a change of key, is
// no loss.
type Brake struct {
	// Delay is how long a loss is held; the zero value lets everything through.
	Delay time.Duration

	// through is what Next returned last.
	through State
	// lost are the losses of the last Delay.
	lost map[keys.Public]loss
	// now is the time of the last step, and stale says that its nodes were not followed.
	now   time.Time
	stale bool
}

// loss is a peer that nobody wants any more.
type loss struct {
	// since is when it was first missing, later by the time that did not count.
	since time.Time
	held  bool
}

// Step is what a Brake is asked for.
type Step struct {
	// Want is what the host should look like by what is known of the cluster.
	Want State
	Now  time.Time
	// Stale says that nobody follows the cluster now. Nothing held is given up then, and the time until the next step
	// does not count: a store that is being repaired takes the API server away for longer than Delay.
	Stale bool
	// Urgent lets everything through, and forgets what was lost.
	Urgent bool
}

// Adopt returns the brake of a daemon that finds a host as it is in have, which has not been brought to any state yet.
func (b Brake) Adopt(have State) Brake {
	b.through = have
	return b
}

// Next returns the state to bring the host to: s.Want, and what belongs to peers that are held.
func (b Brake) Next(s Step) (Brake, State) {
	next := Brake{Delay: b.Delay, through: s.Want, now: s.Now, stale: s.Stale}
	if b.Delay <= 0 || s.Urgent {
		return next, s.Want
	}
	gone := lostPeers(s.Want, b.through)
	next.lost = b.stillLost(s, gone)
	for _, p := range gone {
		if _, known := b.lost[p.PublicKey]; !known {
			next.lost[p.PublicKey] = loss{since: s.Now}
		}
	}
	if next.engaged(s.Want, b.through) {
		next.through = s.Want.with(next.hold(gone), b.through)
	}
	return next, next.through
}

// Hold returns the brake after a step in which too little was known of the cluster to want anything. The time until the
// next step does not count.
func (b Brake) Hold(now time.Time) Brake {
	b.lost = b.waited(now)
	b.now, b.stale = now, true
	return b
}

// Held returns how many peers are held, and when the first of them is given up if it does not return; zero while that
// time does not count.
func (b Brake) Held() (peers int, until time.Time) {
	for _, l := range b.lost {
		if !l.held {
			continue
		}
		peers++
		if end := l.since.Add(b.Delay); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	if b.stale {
		until = time.Time{}
	}
	return peers, until
}

// waited returns the losses, later by the time since the last step if that does not count.
func (b Brake) waited(now time.Time) map[keys.Public]loss {
	lost := make(map[keys.Public]loss, len(b.lost))
	for key, l := range b.lost {
		if b.stale {
			l.since = l.since.Add(now.Sub(b.now))
		}
		lost[key] = l
	}
	return lost
}

// stillLost returns the losses that are not over: the peer has not returned, its time has not passed, and one that is
// held is still among those gone.
func (b Brake) stillLost(s Step, gone []Peer) map[keys.Public]loss {
	lost := b.waited(s.Now)
	maps.DeleteFunc(lost, func(key keys.Public, l loss) bool {
		_, returned := find(s.Want.Peers, Peer{PublicKey: key})
		_, missing := find(gone, Peer{PublicKey: key})
		over := !s.Stale && s.Now.Sub(l.since) >= b.Delay
		return returned || over || l.held && !missing
	})
	return lost
}

// engaged reports whether losses are held.
func (b Brake) engaged(want, have State) bool {
	if len(b.lost) == 0 {
		return false
	}
	for _, l := range b.lost {
		if l.held {
			return true
		}
	}
	kept := 0
	for _, p := range have.Peers {
		if _, wanted := find(want.Peers, p); wanted {
			kept++
		}
	}
	return kept+len(b.lost) >= fewPeers && len(b.lost) > kept
}

// hold notes which of the peers that are gone are held, and returns them.
func (b Brake) hold(gone []Peer) []Peer {
	var held []Peer
	for _, p := range gone {
		if l, lost := b.lost[p.PublicKey]; lost {
			b.lost[p.PublicKey] = loss{since: l.since, held: true}
			held = append(held, p)
		}
	}
	return held
}

// lostPeers returns the peers of have that want lacks, each with those of its allowed IPs that are free in want; none
// that has no such left.
func lostPeers(want, have State) []Peer {
	var gone []Peer
	for _, p := range have.Peers {
		if _, wanted := find(want.Peers, p); !wanted {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	taken := want.taken()
	for i, p := range gone {
		gone[i].AllowedIPs = slices.DeleteFunc(slices.Clone(p.AllowedIPs), func(ip netip.Prefix) bool {
			_, found := taken.find(ip)
			return found
		})
	}
	return slices.DeleteFunc(gone, func(p Peer) bool { return len(p.AllowedIPs) == 0 })
}

// taken are the ranges that the node itself and its peers have.
func (s State) taken() *ranges {
	all := slices.Clone(s.Firewall.OwnCIDRs)
	for _, ip := range s.Firewall.OwnIPs {
		all = append(all, host(ip))
	}
	for _, p := range s.Peers {
		all = append(all, p.AllowedIPs...)
	}
	slices.SortFunc(all, netip.Prefix.Compare) // ranges are made faster in order
	taken := &ranges{}
	for _, p := range all {
		taken.add(p, "")
	}
	return taken
}

// with returns s with these peers of old, with their routes and with their addresses in the firewall. s has none of
// them.
func (s State) with(peers []Peer, old State) State {
	if len(peers) == 0 {
		return s
	}
	theirs := allowedIPs(peers)
	s.Peers = Edits[Peer]{Add: peers}.apply(s.Peers, Peer.compareKey)
	s.Routes = Edits[Route]{Add: slices.DeleteFunc(slices.Clone(old.Routes), func(r Route) bool {
		_, their := theirs[r.Destination]
		_, taken := slices.BinarySearchFunc(s.Routes, r, Route.compareKey)
		return !their || taken
	})}.apply(s.Routes, Route.compareKey)
	s.Firewall = s.Firewall.with(theirs, old.Firewall)
	return s
}

// with returns f with those of theirs that old guards. Where pod CIDRs are guarded one by one, because no cluster CIDRs
// are configured, they stay guarded too.
func (f Firewall) with(theirs map[netip.Prefix]struct{}, old Firewall) Firewall {
	var ips []netip.Addr
	for _, ip := range old.NodeIPs {
		if _, their := theirs[host(ip)]; their {
			ips = append(ips, ip)
		}
	}
	f.NodeIPs = Edits[netip.Addr]{Add: ips}.apply(f.NodeIPs, netip.Addr.Compare)
	f.ClusterCIDRs = slices.Clone(f.ClusterCIDRs)
	for _, p := range old.ClusterCIDRs {
		if _, taken := overlapping(f.ClusterCIDRs, p); !taken {
			if _, their := theirs[p]; their {
				f.ClusterCIDRs = append(f.ClusterCIDRs, p)
			}
		}
	}
	slices.SortFunc(f.ClusterCIDRs, netip.Prefix.Compare)
	return f
}
