package firewalls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// legacy is one family of the iptables that is older than nftables (iptables-legacy). Its rules are in the kernel in a
// form of their own. They are only read: to add one means to write the whole table anew, which is its own command's
// business; warren's image has none, and it would need another capability.
type legacy struct {
	command       string
	family        string
	domain, level int
	// names is the file that lists the tables that are in use: to ask for another one would make it.
	names string
	// target is the offset in an entry of the number that says where its target is (struct ipt_entry and ip6t_entry of
	// linux/netfilter_ipv4/ip_tables.h and netfilter_ipv6/ip6_tables.h).
	target uint32
}

var legacies = []legacy{
	{"iptables-legacy", "ip", unix.AF_INET, unix.IPPROTO_IP, "/proc/thread-self/net/ip_tables_names", 88},
	{"ip6tables-legacy", "ip6", unix.AF_INET6, unix.IPPROTO_IPV6, "/proc/thread-self/net/ip6_tables_names", 140},
}

// The socket options are the same in both families: IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES.
const (
	getInfo    = 64
	getEntries = 65
)

// legacyInfo is struct ipt_getinfo. Underflow has the offsets of the policies by the hook's number.
type legacyInfo struct {
	name             [32]byte
	hooks            uint32
	entry, underflow [5]uint32
	entries, size    uint32
}

// entriesHeader is the size of struct ipt_get_entries before the entries: the name, their size, and padding.
const entriesHeader = 40

// legacyHooks are the numbers of the hooks that matter (enum nf_inet_hooks of linux/netfilter.h).
var legacyHooks = map[string]int{"input": 1, "forward": 2}

// legacyFindings are the policies of the legacy iptables that drop what the mesh needs and no rule names.
func (f *Firewalls) legacyFindings() (found []Finding, err error) {
	var errs []error
	for _, l := range legacies {
		info, rules, err := l.read("filter")
		if err != nil {
			errs = append(errs, fmt.Errorf("read the rules of %s: %w", l.command, err))
			continue
		}
		for _, hook := range []string{"forward", "input"} {
			if l.drops(rules, info.underflow[legacyHooks[hook]]) && !f.namedInLegacy(rules, hook) {
				found = append(found, Finding{
					Kind: kindOf(hook), Family: l.family,
					Reason: fmt.Sprintf("the policy of %s may drop %s", l.command, what(hook)),
					Remedy: f.iptables(l.command, hook),
				})
			}
		}
	}
	return found, errors.Join(errs...)
}

// read returns a table as the kernel has it; no rules where there is none.
func (l legacy) read(table string) (info legacyInfo, rules []byte, err error) {
	names, err := os.ReadFile(l.names)
	if errors.Is(err, os.ErrNotExist) || err == nil && !bytes.Contains(names, []byte(table+"\n")) {
		return info, nil, nil
	}
	if err != nil {
		return info, nil, err
	}
	socket, err := unix.Socket(l.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return info, nil, err
	}
	defer unix.Close(socket)
	copy(info.name[:], table)
	if err := l.option(socket, getInfo, unsafe.Pointer(&info), uint32(unsafe.Sizeof(info))); err != nil {
		return info, nil, err
	}
	all := make([]byte, entriesHeader+info.size)
	copy(all, table)
	binary.NativeEndian.PutUint32(all[32:], info.size)
	err = l.option(socket, getEntries, unsafe.Pointer(&all[0]), uint32(len(all)))
	return info, all[entriesHeader:], err
}

// option reads a socket option that is a question as well.
func (l legacy) option(socket, name int, value unsafe.Pointer, size uint32) error {
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), uintptr(l.level), uintptr(name), uintptr(value),
		uintptr(unsafe.Pointer(&size)), 0)
	runtime.KeepAlive(value)
	if errno != 0 {
		return errno
	}
	return nil
}

// verdictOffset is where the verdict is in struct xt_standard_target.
const verdictOffset = 32

// drops reports whether the policy whose entry is at an offset is to drop. The kernel has -1 for that, and -2 for
// accept.
func (l legacy) drops(rules []byte, at uint32) bool {
	if uint64(at)+uint64(l.target)+2 > uint64(len(rules)) {
		return false
	}
	verdict := uint64(at) + uint64(binary.NativeEndian.Uint16(rules[at+l.target:])) + verdictOffset
	return verdict+4 <= uint64(len(rules)) && int32(binary.NativeEndian.Uint32(rules[verdict:])) == -1
}

// namedInLegacy is as good a guess as named. A port is in a struct xt_udp, first and last of a range.
func (f *Firewalls) namedInLegacy(rules []byte, hook string) bool {
	if hook == "input" {
		port := binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, f.Port), f.Port)
		return bytes.Contains(rules, port)
	}
	text := string(rules)
	return strings.Contains(text, f.Link+"\x00") && strings.Contains(text, f.Bridge+"\x00")
}
