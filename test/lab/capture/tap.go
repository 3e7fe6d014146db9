package capture

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// snapLength is what is captured of each frame: all headers, and the first bytes of a payload behind them, also where
// an ICMP error quotes it.
const snapLength = 256

// tapBuffer holds what arrives while this process is held up.
const tapBuffer = 32 << 20

// Tap is a packet socket on one interface that sees what comes in there: what the other end of a cable sends.
type Tap struct {
	file *os.File
	raw  syscall.RawConn
	note func(frame []byte)
	// missed are the kernel's drops so far; reading them resets its count.
	mu     sync.Mutex
	missed int
	closed atomic.Bool
	// drained is closed when the reader has ended.
	drained chan struct{}
}

// OpenTap taps an interface of the thread's network namespace and calls note for each frame, one at a time, from
// another goroutine. The frame's memory is used again when note returns.
func OpenTap(port string, note func(frame []byte)) (*Tap, error) {
	// Protocol 0 receives nothing until it is bound: nothing of other interfaces, nothing before the filter is in
	// place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := bindTap(fd, port); err != nil {
		unix.Close(fd)
		return nil, err
	}
	t := &Tap{file: os.NewFile(uintptr(fd), "tap "+port), note: note, drained: make(chan struct{})}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return nil, err
	}
	go t.read()
	return t, nil
}

func bindTap(fd int, port string) error {
	nic, err := net.InterfaceByName(port)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapBuffer); err != nil {
		return fmt.Errorf("set the receive buffer: %w", err)
	}
	// What the port sends is what other ports have received: every packet would count once more.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return fmt.Errorf("ignore outgoing packets: %w", err)
	}
	// One instruction: accept, and keep that much.
	filter := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: snapLength}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: 1, Filter: &filter}); err != nil {
		return fmt.Errorf("attach a filter: %w", err)
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: nic.Index})
}

// networkOrder is htons.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// read hands over frames until the tap is closed.
func (t *Tap) read() {
	defer close(t.drained)
	_ = t.raw.Read(func(fd uintptr) (done bool) {
		return !t.drain(int(fd)) || t.closed.Load()
	})
}

// drain hands over what the socket holds; ok is false where it holds nothing ever again.
func (t *Tap) drain(fd int) (ok bool) {
	frame := make([]byte, snapLength)
	for {
		n, _, err := unix.Recvfrom(fd, frame, 0)
		switch err {
		case nil:
			t.note(frame[:n])
		case unix.EINTR, unix.ENETDOWN:
			// ENETDOWN is said once, when the interface goes down.
		default:
			return err == unix.EAGAIN
		}
	}
}

// Dropped is the number of packets that the kernel had no room for.
func (t *Tap) Dropped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.raw.Control(func(fd uintptr) {
		if statistics, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET,
			unix.PACKET_STATISTICS); err == nil {
			t.missed += int(statistics.Drops)
		}
	})
	return t.missed
}

// Close ends the tap after it is read empty, and returns Dropped.
func (t *Tap) Close() int {
	t.closed.Store(true)
	// A deadline long past wakes a reader that waits.
	_ = t.file.SetReadDeadline(time.Unix(1, 0))
	<-t.drained
	_ = t.raw.Control(func(fd uintptr) { t.drain(int(fd)) })
	missed := t.Dropped()
	_ = t.file.Close()
	return missed
}
