package policy

import "fmt"

// What one policy may become on a node, in both families. Whoever may write policies in one namespace must not be able
// to take the daemon, and with it the starts of pods, from each node on which a pod of his runs. A table of 2,048 sets
// and rules more is written within seconds; an attachment waits for ten.
const (
	mostRules    = 2048
	mostElements = 16384
)

// size returns how many of nft's rules the policy becomes, and how many elements of sets follow from it alone.
func (p Policy) size() (rules, elements int) {
	for _, d := range []direction{ingressDirection, egressDirection} {
		if !d.isolates(p) {
			continue
		}
		for _, r := range d.rules(p) {
			ports := d.ports(r, group{kind: everyPod})
			for _, port := range ports {
				for _, s := range append(port.sets[0], port.sets[1]...) {
					elements += len(s.numbers)
				}
			}
			if r.AllPeers {
				rules += 2 * len(ports)
				continue
			}
			peers, blocks := r.blocks()
			for _, of := range blocks {
				rules += min(1, len(of)) * len(ports)
			}
			for _, peer := range peers {
				rules += len(ports)
				if peer.Block == nil {
					rules += len(ports)
				}
			}
			for _, peer := range r.Peers {
				if peer.Block != nil {
					elements += 1 + len(peer.Block.Except)
				}
			}
		}
	}
	return rules, elements
}

// tooLarge says what is wrong with the policy's size; empty if nothing is.
func (p Policy) tooLarge() string {
	const remedy = "; the pods that it selects are isolated, and nothing is let through: " +
		"name fewer peers, exceptions and ports, or write several policies"
	switch rules, elements := p.size(); {
	case rules > mostRules:
		return fmt.Sprintf("it becomes %d rules of nftables, and %d is the most%s", rules, mostRules, remedy)
	case elements > mostElements:
		return fmt.Sprintf("its blocks and ports become %d elements of nftables, and %d is the most%s", elements,
			mostElements, remedy)
	default:
		return ""
	}
}
