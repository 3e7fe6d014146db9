package limit

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"golang.zx2c4.com/wireguard/device"
)

const (
	// mostWaiting is the number of packets that may wait for handshakes, of all peers together. Each has a buffer of
	// 64 KiB: 32 MiB. The device itself holds 128 batches for each peer, for up to 90 seconds.
	mostWaiting = 512
	// fewWaiting is how many are left when there were more.
	fewWaiting = mostWaiting * 3 / 4
)

// Waiting bounds the number of packets that wait in a device for handshakes with peers that do not answer. It numbers
// the packets of each peer as they enter and recognises them by their buffers as they leave. When more than mostWaiting
// have not left, it has the device drop all that wait for one peer, and for another, beginning with the peer that has
// most: a flow to a node that is gone does not cost another its first packets.
//
// Packets that ask for a handshake and are for nobody (see asks) do not wait at all.
//
// What the device drops by itself counts on until its peer is flushed. That, and packets of healthy peers on their way,
// make it flush early, which costs those peers nothing: where a session stands, nothing waits.
type Waiting struct {
	mu    sync.Mutex
	flush func(peer device.NoisePublicKey)
	peers peers
	// inside are the peers of which packets have entered and not left, and total is the number of these packets.
	inside map[*peer]struct{}
	total  uint64
	// asked are the peers to which packets went that ask for a handshake, since the device last read.
	asked []*peer
}

// NewWaiting returns a Waiting that knows no peers.
func NewWaiting() *Waiting {
	return &Waiting{flush: func(device.NoisePublicKey) {}, peers: newPeers(), inside: map[*peer]struct{}{}}
}

// Flush sets the function that drops what waits for a handshake with a peer.
func (w *Waiting) Flush(flush func(peer device.NoisePublicKey)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush = flush
}

// Configure follows a change of the device's configuration, which it gets as UAPI sets it. It returns the number of
// peers.
func (w *Waiting) Configure(settings []byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.peers.configure(string(settings)) {
		w.gone(p, p.entered) // The device has dropped what waits for it.
	}
	return len(w.peers.byKey)
}

// settle returns when the device may read packets: it has sent, or staged, what it read before.
func (w *Waiting) settle() {
	flush, dropped := w.excess()
	for _, p := range dropped {
		flush(p.key) // Without the lock: the device may be removing a peer, and wait for packets to leave.
	}
}

// excess returns the peers whose waiting packets are to be dropped, and no longer counts these packets.
func (w *Waiting) excess() (flush func(device.NoisePublicKey), dropped []*peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dropped, w.asked = w.asked, nil
	for _, p := range dropped {
		w.gone(p, p.entered)
	}
	if w.total <= mostWaiting {
		return w.flush, dropped
	}
	byCount := slices.SortedFunc(maps.Keys(w.inside), func(a, b *peer) int { return cmp.Compare(b.count(), a.count()) })
	for _, p := range byCount {
		if w.total <= fewWaiting {
			break
		}
		w.gone(p, p.entered)
		dropped = append(dropped, p)
	}
	return w.flush, dropped
}

// enter counts n packets for one peer and marks the buffer of the last one. packet is that one.
func (w *Waiting) enter(n int, packet, last []byte) {
	mark := peerMarkOf(last)
	if mark == nil {
		return
	}
	clear(mark)
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers.lookup(destination(packet))
	if p == nil {
		return
	}
	if p.count() == 0 && n == 1 && asks(packet) {
		w.asked = append(w.asked, p)
	}
	p.entered += uint64(n)
	w.total += uint64(n)
	w.inside[p] = struct{}{}
	binary.NativeEndian.PutUint64(mark, p.id)
	binary.NativeEndian.PutUint64(mark[8:], p.entered)
}

// leave records that the packet in this buffer leaves, and so do all earlier ones of its peer.
func (w *Waiting) leave(last []byte) {
	mark := peerMarkOf(last)
	if mark == nil {
		return
	}
	id, number := binary.NativeEndian.Uint64(mark), binary.NativeEndian.Uint64(mark[8:])
	clear(mark)
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.peers.byID[id]; p != nil && number <= p.entered {
		w.gone(p, number)
	}
}

// gone notes that all packets of the peer up to this number are gone.
func (w *Waiting) gone(p *peer, number uint64) {
	if number > p.left {
		w.total -= number - p.left
		p.left = number
	}
	if p.count() == 0 {
		delete(w.inside, p)
	}
}

// peerMarkSize is the size of the mark that says which packet of which peer a buffer holds, before the window's mark.
const peerMarkSize = 16

// peerMarkOf returns the place of that mark; nil for a buffer that is none of the device's packet buffers.
func peerMarkOf(buf []byte) []byte {
	if markOf(buf) == nil {
		return nil
	}
	return buf[:cap(buf)][markOffset-peerMarkSize : markOffset]
}
