package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warren.mesh/mesh/status"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
)

// dumped is one peer in `wg show warren0 dump`.
type dumped struct {
	// lasting is what changes only with the peer: key, endpoint, allowed IPs and keepalive.
	lasting string
	// growing never becomes less: the last handshake, in seconds since 1970, and the bytes received and sent.
	growing [3]uint64
}

// dump reads a node's peers as wg tells them, sorted by key.
func dump(t *testing.T, n *lab.Node) (all []dumped) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(n.MustExec(t, "wg", "show", "warren0", "dump")), "\n")
	for _, line := range lines[1:] { // the first one has the private key
		fields := strings.Split(line, "\t")
		if len(fields) != 8 {
			t.Fatalf("%s: wg says %q", n.Name, line)
		}
		allowed := strings.Split(fields[3], ",")
		slices.Sort(allowed)
		p := dumped{lasting: fmt.Sprintln(fields[0], fields[2], allowed, fields[7])}
		for i, text := range fields[4:7] {
			value, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s: wg says %q", n.Name, line)
			}
			p.growing[i] = value
		}
		all = append(all, p)
	}
	return sortedDump(all)
}

// reported reads a node's peers as `warren peers` tells them, in wg's form.
func reported(t *testing.T, n *lab.Node) (all []dumped) {
	t.Helper()
	out, code := n.Warren(t, "peers", "-o", "json")
	var r status.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != views.ExitWell {
		t.Fatalf("%s: warren peers exits with %d: %v\n%s", n.Name, code, err, out)
	}
	for _, p := range r.Peers {
		keepalive := "off"
		if p.KeepaliveSeconds > 0 {
			keepalive = strconv.Itoa(p.KeepaliveSeconds)
		}
		var allowed []string
		for _, ip := range p.AllowedIPs {
			allowed = append(allowed, ip.String())
		}
		slices.Sort(allowed)
		all = append(all, dumped{
			lasting: fmt.Sprintln(p.PublicKey, p.Endpoint, allowed, keepalive),
			growing: [3]uint64{seconds(p.LastHandshake), p.ReceivedBytes, p.SentBytes},
		})
	}
	return sortedDump(all)
}

// seconds are those since 1970; none if the time is not known.
func seconds(at time.Time) uint64 {
	if at.IsZero() {
		return 0
	}
	return uint64(at.Unix())
}

func sortedDump(all []dumped) []dumped {
	slices.SortFunc(all, func(p, q dumped) int { return strings.Compare(p.lasting, q.lasting) })
	return all
}

// wantPeersOfDevice waits until `warren peers` tells what `wg` does: what lasts as it is, and what grows as it was
// between a dump before and one after. A daemon tells what it has read within the last five seconds.
func wantPeersOfDevice(t *testing.T, n *lab.Node) {
	t.Helper()
	before := dump(t, n)
	lab.Wait(t, time.Minute, n.Name+"'s `warren peers` to tell what wg does", func() error {
		told := reported(t, n)
		return between(before, told, dump(t, n))
	})
}

// between is nil if the peers told are those before and after, and no value of theirs was less or is more.
func between(before, told, after []dumped) error {
	lasting := func(all []dumped) (texts []string) {
		for _, p := range all {
			texts = append(texts, p.lasting)
		}
		return texts
	}
	var errs []error
	for _, wg := range [][]dumped{before, after} {
		if diff := cmp.Diff(lasting(wg), lasting(told)); diff != "" {
			return fmt.Errorf("it differs (-wg +warren):\n%s", diff)
		}
	}
	for i, p := range told {
		for j, what := range []string{"last handshake", "received bytes", "sent bytes"} {
			if v := p.growing[j]; v < before[i].growing[j] || v > after[i].growing[j] {
				errs = append(errs, fmt.Errorf("%s %d, and wg's were %d before and %d after, of %s", what, v,
					before[i].growing[j], after[i].growing[j], p.lasting))
			}
		}
	}
	return errors.Join(errs...)
}
