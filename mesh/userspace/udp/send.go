package udp

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// maxSegments is the number of datagrams into which the kernel cuts one payload at most (UDP_MAX_SEGMENTS of
// linux/udp.h, before 6.10).
const maxSegments = 64

// batch holds the messages of one sendmmsg. Batches are used again.
type batch []message

// batches are for many datagrams and singles for one, such as a handshake's. A batch for many takes some 20 KB, and
// a device that begins handshakes with thousands of peers has thousands of sends under way.
var (
	batches = sync.Pool{New: func() any { return newBatch(conn.IdealBatchSize) }}
	singles = sync.Pool{New: func() any { return newBatch(1) }}
)

func newBatch(size int) *batch {
	b := make(batch, size)
	for i := range b {
		b[i].OOB = make([]byte, 0, controlSpace)
	}
	return &b
}

// poolOf returns the pool of batches for so many datagrams.
func poolOf(datagrams int) *sync.Pool {
	if datagrams == 1 {
		return &singles
	}
	return &batches
}

// send sends datagrams to e in order. It skips a datagram that is too long for its path, sends the others, and returns
// the error. Any other error without a remedy ends the batch.
func (s *socket) send(datagrams [][]byte, e *endpoint) error {
	b := poolOf(len(datagrams)).Get().(*batch)
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
		// The error concerns the first message: sendmmsg returns a count, and no error, if it has sent any.
		switch s.remedy(err, len(msgs[0].Buffers) > 1, e) {
		case sendSingly:
			segments = false
		case skip:
			datagrams, failed = datagrams[1:], err
		case giveUp:
			return err
		case tryAgain:
		}
	}
	return failed
}

// action is how to continue after the kernel refused a message.
type action int

const (
	giveUp action = iota
	tryAgain
	sendSingly
	skip
)

// remedy decides how to continue after an error. It changes nothing twice, so send ends.
//
// For a payload to be cut, the kernel returns EIO if the interface computes no checksums (which stays so), and
// EMSGSIZE, or EINVAL before Linux 6.14, if the path is too narrow for datagrams of that size (other peers' paths may
// not be). EINVAL also means that the source address is no longer the host's.
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
		return skip
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

// plan says how to put datagrams into messages.
type plan struct {
	segments   bool
	maxPayload int
}

// fill puts datagrams into messages, without copying them.
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

// release drops references to what others own and makes the batch available again.
func (b *batch) release() {
	for i := range *b {
		(*b)[i] = message{OOB: (*b)[i].OOB[:0]}
	}
	poolOf(len(*b)).Put(b)
}

// prefix returns how many datagrams, from the first on, fit in one payload: all have the first one's length, except
// that the last may be shorter.
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

// count returns the number of datagrams in messages.
func count(msgs []message) int {
	n := 0
	for i := range msgs {
		n += len(msgs[i].Buffers)
	}
	return n
}
