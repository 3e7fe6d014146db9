package userspace

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// maxSegments is how many datagrams the kernel cuts from one payload (UDP_MAX_SEGMENTS of linux/udp.h, before 6.10).
const maxSegments = 64

// batch is what one sendmmsg needs, used again and again.
type batch []message

var batches = sync.Pool{New: func() any {
	b := make(batch, conn.IdealBatchSize)
	for i := range b {
		b[i].OOB = make([]byte, 0, controlSpace)
	}
	return &b
}}

// send sends datagrams to e in order. A datagram that is too long for its path is left out and reported, with the others
// sent; any other error that cannot be helped ends the batch.
func (s *socket) send(datagrams [][]byte, e *endpoint) error {
	b := batches.Get().(*batch)
	defer b.release()

	var failed error
	segments := s.segments.Load()
	for len(datagrams) > 0 {
		msgs := b.fill(datagrams, e, plan{segments: segments, maxPayload: s.maxPayload})
		n, err := s.WriteBatch(msgs, 0)
		if err == nil {
			datagrams = datagrams[count(msgs[:n]):]
			continue
		}
		// The error is the first message's: the ones before it were sent by the previous call.
		switch s.remedy(err, len(msgs[0].Buffers) > 1, e) {
		case sendSingly:
			segments = false
		case leaveOut:
			datagrams, failed = datagrams[1:], err
		case giveUp:
			return err
		case tryAgain:
		}
	}
	return failed
}

// action is what to do about a message that the kernel refused.
type action int

const (
	giveUp action = iota
	tryAgain
	sendSingly
	leaveOut
)

// remedy decides what to do about an error. It ends: what it changes, it changes once.
//
// Of a payload to be cut, the kernel says EIO where the interface computes no checksums (then it never will), EMSGSIZE,
// and before Linux 6.14 EINVAL, where the path is too narrow for a datagram of that size (other peers' paths are not).
// EINVAL also means that the source address is no longer the host's.
func (s *socket) remedy(err error, cut bool, e *endpoint) action {
	switch {
	case cut && errors.Is(err, unix.EIO):
		s.segments.Store(false)
		return sendSingly
	case cut && isAny(err, unix.EMSGSIZE, unix.EINVAL):
		return sendSingly
	case e.SrcIP().IsValid() && isAny(err, unix.EINVAL, unix.EADDRNOTAVAIL, unix.ENETUNREACH, unix.EHOSTUNREACH):
		e.ClearSrc()
		return tryAgain
	case errors.Is(err, unix.EMSGSIZE):
		return leaveOut
	}
	return giveUp
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// plan says how datagrams are put into messages.
type plan struct {
	segments   bool
	maxPayload int
}

// fill makes messages of datagrams, without copying them.
func (b *batch) fill(datagrams [][]byte, e *endpoint, p plan) []message {
	msgs, src := *b, e.SrcIP()
	used := 0
	for ; len(datagrams) > 0 && used < len(msgs); used++ {
		n := 1
		if p.segments {
			n = prefix(datagrams, p.maxPayload)
		}
		m := &msgs[used]
		m.Addr, m.Buffers = e.udp, datagrams[:n]
		m.OOB = appendSource(m.OOB[:0], src)
		if n > 1 {
			m.OOB = appendSegmentSize(m.OOB, len(datagrams[0]))
		}
		datagrams = datagrams[n:]
	}
	return msgs[:used]
}

// release forgets what others own.
func (b *batch) release() {
	for i := range *b {
		(*b)[i] = message{OOB: (*b)[i].OOB[:0]}
	}
	batches.Put(b)
}

// prefix is how many datagrams from the first on fit one payload: all of the first one's length, but the last may be shorter.
func prefix(datagrams [][]byte, maxPayload int) int {
	size := len(datagrams[0])
	total, n := size, 1
	for n < len(datagrams) && n < maxSegments {
		next := len(datagrams[n])
		total += next
		if next > size || total > maxPayload {
			break
		}
		n++
		if next < size {
			break
		}
	}
	return n
}

// count is how many datagrams messages hold.
func count(msgs []message) int {
	n := 0
	for i := range msgs {
		n += len(msgs[i].Buffers)
	}
	return n
}
