package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParsePort reads "80/tcp", "53/udp" or "80", which is tcp's. Without text it is a ping, which has no port.
func ParsePort(text ...string) (protocol string, port uint16, err error) {
	if len(text) == 0 {
		return "icmp", 0, nil
	}
	digits, protocol, named := strings.Cut(text[0], "/")
	if !named {
		protocol = "tcp"
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || number == 0 || !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return "", 0, fmt.Errorf("port %q: want one such as 80, 80/tcp, 53/udp or 9/sctp", text[0])
	}
	return protocol, uint16(number), nil
}
