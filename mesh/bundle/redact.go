package bundle

import (
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

// NewRedactor returns a Redactor that knows names: of nodes, pods, zones and so on. Addresses it recognises.
func NewRedactor(names []string) *Redactor {
	r := &Redactor{mapped: map[string]string{}, count: map[string]int{}}
	names = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(names))),
		func(name string) bool { return name == "" })
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

// addresses are what may be an IPv4, IPv6 or hardware address.
var addresses = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)

var hardware = regexp.MustCompile(`^(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$`)

// Redact returns the text with names and addresses mapped: "name-3", "ipv4-1", "ipv6-2", "mac-1". Loopback and
// unspecified addresses and lengths of prefixes stay.
func (r *Redactor) Redact(text []byte) []byte {
	out := addresses.ReplaceAllStringFunc(string(text), func(found string) string {
		ip, err := netip.ParseAddr(found)
		switch {
		case hardware.MatchString(found):
			return r.as("mac", strings.ToLower(found))
		case err != nil || ip.IsLoopback() || ip.IsUnspecified():
			return found
		case ip.Is4():
			return r.as("ipv4", ip.String())
		default:
			return r.as("ipv6", ip.String())
		}
	})
	if r.names == nil {
		return []byte(out)
	}
	return []byte(r.wholeNames(out))
}

// wholeNames maps names that stand alone: not within a longer word.
func (r *Redactor) wholeNames(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range r.names.FindAllStringIndex(text, -1) {
		if at[0] > 0 && letter(text[at[0]-1]) || at[1] < len(text) && letter(text[at[1]]) {
			continue
		}
		b.WriteString(text[last:at[0]])
		b.WriteString(r.mapped[text[at[0]:at[1]]])
		last = at[1]
	}
	return b.String() + text[last:]
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
