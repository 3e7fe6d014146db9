package guard

import (
	"fmt"
	"regexp"
	"strconv"

	"warren.mesh/mesh"
)

// origin is the part of a mesh.Firewall that is in the rules' text and in no set.
type origin struct {
	link, bridge string
	port         uint16
	mark         uint32
}

func originOf(fw mesh.Firewall) origin {
	return origin{link: fw.Link, bridge: fw.Bridge, port: fw.Port, mark: fw.Mark}
}

// String is the inverse of parseOrigin.
func (o origin) String() string {
	return fmt.Sprintf("link %s bridge %s port %d mark %#08x", o.link, o.bridge, o.port, o.mark)
}

var originPattern = regexp.MustCompile(`^link (\S{1,15}) bridge (\S{1,15}) port (\d{1,5}) mark 0x([0-9a-f]{1,8})$`)

// parseOrigin reads what String wrote; ok is false for anything else.
func parseOrigin(text string) (o origin, ok bool) {
	m := originPattern.FindStringSubmatch(text)
	if m == nil {
		return origin{}, false
	}
	port, err := strconv.ParseUint(m[3], 10, 16)
	if err != nil {
		return origin{}, false
	}
	mark, err := strconv.ParseUint(m[4], 16, 32)
	if err != nil {
		return origin{}, false
	}
	return origin{link: m[1], bridge: m[2], port: uint16(port), mark: uint32(mark)}, true
}
