package traffic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/tb"
)

// Options describe a counted flow. The zero value is 200 packets a second between the first addresses of one family.
type Options struct {
	// Rate is in packets per second; 0 means 200, or 50 in a guest (see tb.Rate). A sender that was held up does not
	// catch up in a burst: it sends fewer.
	Rate int
	// IPv6 uses the IPv6 addresses where both ends have both.
	IPv6 bool
	// To is where to send instead of the receiver's own address, a Service for example; its port must lead to FlowPort.
	To netip.AddrPort
	// Size is the payload in bytes; 0 means 64, the least is 24.
	Size int
	// Plain says that the underlay may see this flow. Without it, a capture counts its packets there as leaks whatever
	// their addresses are.
	Plain bool
}

// Flow is a stream of numbered UDP packets, one way.
type Flow struct {
	from, to End
	options  Options
	id       uint32
	// destination is where it sends.
	destination netip.AddrPort
	conn        *net.UDPConn
	raw         syscall.RawConn
	pacer       *Pacer
	packet      payload

	mu sync.Mutex
	// next is the number of the next packet; from is the first that counts.
	next, first uint64
	begin       time.Time
	count       counter
	refused     int
	err         error
	stopped     bool
}

// Flow starts one; it ends with Stop.
func (p *Pacer) Flow(from, to End, o Options) (*Flow, error) {
	if o.Rate == 0 {
		o.Rate = tb.Rate(200)
	}
	if o.Size == 0 {
		o.Size = 64
	}
	f := &Flow{from: from, to: to, options: o, id: p.number(), pacer: p, begin: time.Now()}
	f.packet = newPayload(o.Size, o.Plain, f.id)
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("flow from %s to %s: %w", from, to, err)
	}
	p.add(f)
	return f, nil
}

// open connects the two ends.
func (f *Flow) open() error {
	var err error
	if f.destination, err = f.target(); err != nil {
		return err
	}
	err = f.from.Do(func() (err error) {
		f.conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.destination))
		return err
	})
	if err != nil {
		return err
	}
	f.raw, err = f.conn.SyscallConn()
	f.to.Inbox().add(f)
	return err
}

// target is the receiver's address in the first family that both have, or in IPv6 where asked for.
func (f *Flow) target() (netip.AddrPort, error) {
	if f.options.To.IsValid() {
		return f.options.To, nil
	}
	for _, own := range f.from.Addrs() {
		to := f.to.Addr(own)
		last := own == f.from.Addrs()[len(f.from.Addrs())-1]
		if to.IsValid() && (own.Is6() || !f.options.IPv6 || last) {
			return netip.AddrPortFrom(to, FlowPort), nil
		}
	}
	return netip.AddrPort{}, errors.New("no address family in common")
}

// send sends the next packet without waiting: where the kernel would make it wait, the packet is lost.
func (f *Flow) send() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return
	}
	f.packet.setNumber(f.next)
	f.next++
	var sendErr error
	err := f.raw.Write(func(fd uintptr) bool {
		_, sendErr = unix.Write(int(fd), f.packet)
		return true
	})
	if err = errors.Join(err, sendErr); err != nil {
		f.refused++
		f.err = err
	}
}

// receive counts packet seq.
func (f *Flow) receive(seq uint64, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.add(seq, at)
}

// establishTimeout bounds WaitEstablished, on a machine that is busy with other things.
const establishTimeout = time.Minute

// WaitEstablished waits until the flow arrives; packets before that don't count any more.
func (f *Flow) WaitEstablished(t tb.TB) {
	t.Helper()
	tb.Wait(t, establishTimeout, fmt.Sprintf("flow from %s to %s", f.from, f.to), func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.count.received == 0 {
			return fmt.Errorf("%d packets sent, none arrived (%d refused: %v)", f.next, f.refused, f.err)
		}
		f.recount()
		return nil
	})
}

// Recount begins anew with the next packet: those that were sent before do not count any more, whenever they arrive.
func (f *Flow) Recount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recount()
}

func (f *Flow) recount() {
	f.first, f.begin, f.refused, f.err = f.next, time.Now(), 0, nil
	f.count = counter{first: f.first}
}

// Stop ends the sending, waits for what is on its way and reports. A second Stop reports the same.
func (f *Flow) Stop() Report {
	f.end()
	return f.Report()
}

// inFlight is how long after the last arrival a packet is given up for lost.
var inFlight = tb.Bound(500 * time.Millisecond)

func (f *Flow) end() {
	f.pacer.remove(f)
	f.mu.Lock()
	stopped := f.stopped
	f.stopped = true
	f.mu.Unlock()
	if stopped {
		return
	}
	end := time.Now()
	for f.missing() && time.Since(f.lastArrival(end)) < inFlight {
		time.Sleep(tb.PollInterval)
	}
	f.to.Inbox().remove(f)
	// Nothing is lost with it: everything was written.
	_ = f.conn.Close()
}

func (f *Flow) missing() bool { return f.Report().Lost > 0 }

func (f *Flow) lastArrival(atLeast time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count.last.After(atLeast) {
		return f.count.last
	}
	return atLeast
}
