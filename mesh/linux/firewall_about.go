package linux

import (
	"fmt"
	"regexp"
	"strconv"
)

// aboutChain has one rule, for its comment's sake: the table's own comment would be the place, but neither knftables nor
// the JSON of nft before 1.0.8 gives that back. No chain jumps to it.
const aboutChain = "about"

// parameters are what of mesh.Firewall is in the rules' text and in no set.
type parameters struct {
	link, bridge string
	port         uint16
	mark         uint32
}

// identity is the comment from which a daemon that starts again learns what the table was made from, and whether by a
// warren that would make it in the same way.
func (l layout) identity() string {
	p := l.about
	return fmt.Sprintf("link %s bridge %s port %d mark %#08x #%s", p.link, p.bridge, p.port, p.mark, l.digest())
}

var identityPattern = regexp.MustCompile(`^link (\S{1,15}) bridge (\S{1,15}) port (\d{1,5}) mark 0x([0-9a-f]{1,8}) #[0-9a-f]{8}$`)

// parseIdentity reads the parameters from the comment; ok is false where it is not one of identity's.
func parseIdentity(comment string) (p parameters, ok bool) {
	m := identityPattern.FindStringSubmatch(comment)
	if m == nil {
		return parameters{}, false
	}
	port, err := strconv.ParseUint(m[3], 10, 16)
	if err != nil {
		return parameters{}, false
	}
	mark, err := strconv.ParseUint(m[4], 16, 32)
	if err != nil {
		return parameters{}, false
	}
	return parameters{link: m[1], bridge: m[2], port: uint16(port), mark: uint32(mark)}, true
}
