package bundle

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Redactor maps names and addresses to others, each always to the same one. Make one with NewRedactor.
type Redactor struct {
	names  *regexp.Regexp
	mapped map[string]string
	count  map[string]int
}

// ownWords are in all documents: an image, a namespace or a node of that name tells nothing of whose it is.
var ownWords = []string{"warren", "warren.mesh"}

// NewRedactor returns a Redactor that knows names: of nodes, pods, zones and so on. Addresses it recognises. Names that
// are warren's own words stay.
func NewRedactor(names []string) *Redactor {
	r := &Redactor{mapped: map[string]string{}, count: map[string]int{}}
	names = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))),
		func(name string) bool { return name == "" || slices.Contains(ownWords, name) })
	for _, name := range names {
		r.as("name", name)
	}
	// The longest first, so that node-1 does not take the beginning of node-10.
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	if len(names) > 0 {
		r.names = regexp.MustCompile(strings.Join(names, "|"))
	}
	return r
}

// as returns what a value is mapped to: its kind, and a number.
func (r *Redactor) as(kind, value string) string {
	if _, known := r.mapped[value]; !known {
		r.count[kind]++
		r.mapped[value] = fmt.Sprintf("%s-%d", kind, r.count[kind])
	}
	return r.mapped[value]
}

// addresses are what may hold an IPv4, IPv6 or hardware address.
var addresses = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)

var hardware = regexp.MustCompile(`^(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$`)

// span is a part of a text, and what comes in its place.
type span struct {
	from, to int
	instead  string
}

// within reports whether s is a part of a longer span.
func (s span) within(other span) bool {
	return other.from <= s.from && s.to <= other.to && s.to-s.from < other.to-other.from
}

// Redact returns the text with names and addresses mapped: "name-3", "ipv4-1", "ipv6-2", "mac-1". Loopback and
// unspecified addresses and lengths of prefixes stay. A name that has an address in it is mapped whole, and so is an
// address that has a name in it.
func (r *Redactor) Redact(text []byte) []byte {
	names, ips := r.findNames(string(text)), r.findAddresses(string(text))
	var b bytes.Buffer
	last := 0
	take := func(from *[]span) {
		s := (*from)[0]
		b.Write(text[last:s.from])
		b.WriteString(s.instead)
		last, *from = s.to, (*from)[1:]
	}
	for len(names) > 0 || len(ips) > 0 {
		switch {
		case len(ips) == 0 || len(names) > 0 && names[0].to <= ips[0].from:
			take(&names)
		case len(names) == 0 || ips[0].to <= names[0].from:
			take(&ips)
		case names[0].within(ips[0]):
			names = names[1:]
		default:
			ips = ips[1:]
		}
	}
	b.Write(text[last:])
	return b.Bytes()
}

// findAddresses returns the addresses that are to be mapped, in their order.
func (r *Redactor) findAddresses(text string) (all []span) {
	for _, at := range addresses.FindAllStringIndex(text, -1) {
		from, to, ip := address(text, at[0], at[1])
		switch {
		case from == to:
		case ip.IsLoopback() || ip.IsUnspecified():
			all = append(all, span{from, to, text[from:to]})
		case !ip.IsValid():
			all = append(all, span{from, to, r.as("mac", strings.ToLower(text[from:to]))})
		case ip.Is4():
			all = append(all, span{from, to, r.as("ipv4", ip.String())})
		default:
			all = append(all, span{from, to, r.as("ipv6", ip.String())})
		}
	}
	return all
}

// address returns where the address in a part of a text is, without the colons and dots of a sentence around it; the
// zero Addr for a hardware address, and an empty part if there is none.
func address(text string, from, to int) (int, int, netip.Addr) {
	for end := to; end > from; end-- {
		for begin := from; begin <= from+1 && begin < end; begin++ {
			part := text[begin:end]
			if ip, err := netip.ParseAddr(part); err == nil {
				return begin, end, ip
			}
			if hardware.MatchString(part) {
				return begin, end, netip.Addr{}
			}
			if part[0] != ':' {
				break
			}
		}
		if last := text[end-1]; last != ':' && last != '.' {
			break
		}
	}
	return from, from, netip.Addr{}
}

// findNames returns the names that stand alone, not within a longer word, in their order.
func (r *Redactor) findNames(text string) (all []span) {
	if r.names == nil {
		return nil
	}
	for _, at := range r.names.FindAllStringIndex(text, -1) {
		if at[0] > 0 && letter(text[at[0]-1]) || at[1] < len(text) && letter(text[at[1]]) {
			continue
		}
		all = append(all, span{at[0], at[1], r.mapped[text[at[0]:at[1]]]})
	}
	return all
}

func letter(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// policyTable ends the name of the file with the table of network policies, whose comments name policies, namespaces
// and labels.
const policyTable = "inet warren-policy.txt"

var comments = regexp.MustCompile(`comment "[^"]*"`)

// Files returns the files with their names and contents redacted, and the comments in the table of network policies
// mapped whole: what they name stands in no list.
func (r *Redactor) Files(files []File) []File {
	redacted := make([]File, len(files))
	for i, f := range files {
		if strings.HasSuffix(f.Name, policyTable) {
			f.Content = comments.ReplaceAllFunc(f.Content, func(found []byte) []byte {
				return fmt.Appendf(nil, "comment %q", r.as("comment", string(found)))
			})
		}
		redacted[i] = File{string(r.Redact([]byte(f.Name))), r.Redact(f.Content)}
	}
	return redacted
}
