package guard

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"warren.mesh/mesh/meshtest"
)

// rivals are two senders that are masqueraded to one address and send from one port.
type rivals struct {
	name   string
	places [2]place
	addrs  [2]netip.Addr
	// port is what both send from in all rounds; 0 for another one in each. The kernel keeps what it once translated a
	// source to, so that a source that has been served once clashes with nobody afterwards.
	port uint16
	to   netip.Addr
	seen inbound
}

const (
	// rounds is how often two rivals send at once.
	rounds = 500
	// chance is how many may be lost because two of them draw the same port, out of 16,384 at least.
	chance = 3
)

// TestPrivilegedRivals has two senders send the first packets of new connections from one port to one destination, each
// on its own CPU and at the same moment. Connection tracking drops one of the two where both are given the same port,
// because each is chosen before the other is known. How long that takes depends on what else the host has its packets
// pass: here, many rules, so that it shows.
func TestPrivilegedRivals(t *testing.T) {
	meshtest.Privileged(t)
	w := newTopology(t)
	w.neighbour.run(t, `
ip route add default via 10.244.1.1
ip route add default via fd00:10:244:1::1
`)
	w.node.run(t, `
ip addr add 10.244.1.4/32 dev lo
ip addr add fd00:10:244:1::4/128 dev lo nodad
ip addr add 203.0.113.6/32 dev lo
ip addr add 2001:db8:5::6/128 dev lo nodad
`)
	busy := filepath.Join(t.TempDir(), "busy.nft")
	rules := "table inet busy {\n chain late {\n type filter hook postrouting priority 150;\n" +
		strings.Repeat(" udp dport 1 drop\n", 3000) + " }\n}\n"
	if err := os.WriteFile(busy, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	w.node.run(t, "nft -f %s", busy)
	w.replace(t, dualFirewall())
	for _, f := range families() {
		pods, addrs := [2]place{w.pod, w.neighbour}, [2]netip.Addr{f.pod, f.neighbour}
		for _, r := range []rivals{
			{
				"the node in its pod CIDR's name to the outside", [2]place{w.node, w.node},
				[2]netip.Addr{f.gateway, f.neighbour.Next()}, 0, f.outside, w.onUnderlay,
			},
			{"pods to the outside", pods, addrs, 0, f.outside, w.onUnderlay},
			{"pods to the outside, from WireGuard's port", pods, addrs, 51820, f.outside, w.onUnderlay},
			{
				"other addresses into the mesh", [2]place{w.node, w.node},
				[2]netip.Addr{f.secondary, f.secondary.Next()},
				0, f.remotePod, w.inMesh,
			},
		} {
			t.Run(f.name+", "+r.name, r.check)
		}
	}
}

// check sends, and wants all to arrive but what chance takes.
func (r rivals) check(t *testing.T) {
	var senders sync.WaitGroup
	var turns atomic.Int64
	for i := range 2 {
		conns, last := r.sockets(t, i), r.places[i].udp(t, r.addrs[i], 0)
		senders.Go(func() {
			alone(t, i)
			for round := range rounds {
				turns.Add(1)
				for turns.Load() < int64(2*(round+1)) { // the other one is not there yet
				}
				write(t, conns[round%len(conns)], netip.AddrPortFrom(r.to, uint16(10_000+round)))
			}
			write(t, last, netip.AddrPortFrom(r.to, 9)) // on the same CPU: behind all of them
		})
	}
	senders.Wait()
	arrived := len(r.seen.until(t, r.name)) + len(r.seen.until(t, r.name))
	t.Logf("%d of %d packets are lost", 2*rounds-arrived, 2*rounds)
	if arrived < 2*rounds-chance {
		t.Errorf("%d of %d packets arrived", arrived, 2*rounds)
	}
}

// sockets are what the i-th sends from: one for all rounds, or one for each.
func (r rivals) sockets(t *testing.T, i int) (all []*net.UDPConn) {
	t.Helper()
	if r.port != 0 {
		return []*net.UDPConn{r.places[i].udp(t, r.addrs[i], r.port)}
	}
	for round := range rounds {
		all = append(all, r.places[i].udp(t, r.addrs[i], uint16(20_000+round)))
	}
	return all
}

// cpus are those of this process, from before any thread was kept on one of them: new threads inherit that.
var cpus = func() (all unix.CPUSet) {
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	return all
}()

// alone locks the goroutine to a thread that has the i-th CPU for itself, as long as it wants it: real-time threads are
// not put off for others. The thread ends with the goroutine.
func alone(t *testing.T, i int) {
	runtime.LockOSThread()
	var one unix.CPUSet
	for cpu := range 1024 {
		if cpus.IsSet(cpu) {
			if i--; i < 0 {
				one.Set(cpu)
				break
			}
		}
	}
	if one.Count() == 0 {
		return // fewer CPUs than senders
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Error(err)
	}
	realTime := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(0, &realTime, 0); err != nil {
		t.Logf("no real time, so that a busy machine hides what this test is about: %v", err)
	}
}
