package guard

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren.mesh/test/lab/packet"
)

// firstPart is how many bytes of a datagram are in its first fragment, with UDP's header.
const firstPart = 16

// fragmentID is the last datagram's; each has its own, because an incomplete one waits for its rest.
var fragmentID atomic.Uint32

// fragments are the two IP packets of one UDP datagram.
func fragments(from, to netip.AddrPort, payload string) (first, last []byte) {
	whole := packet.Frame{
		NextHop: make(net.HardwareAddr, 6), Protocol: packet.UDP,
		Source: from, Destination: to, Payload: []byte(payload),
	}.Bytes()[14:]
	id := fragmentID.Add(1)
	if from.Addr().Is4() {
		header, body := whole[:20], whole[20:]
		binary.BigEndian.PutUint16(header[4:], uint16(id))
		part := func(offset uint16, body []byte) []byte {
			h := slices.Clone(header)
			binary.BigEndian.PutUint16(h[6:], offset)
			return append(h, body...) // the kernel fills in length and checksum
		}
		return part(0x2000, body[:firstPart]), part(firstPart/8, body[firstPart:]) // RFC 791: more fragments
	}
	header, body := whole[:40], whole[40:]
	part := func(offset uint16, body []byte) []byte {
		h := slices.Clone(header)
		binary.BigEndian.PutUint16(h[4:], uint16(8+len(body)))
		h[6] = unix.IPPROTO_FRAGMENT
		h = binary.BigEndian.AppendUint16(append(h, packet.UDP, 0), offset)
		return append(binary.BigEndian.AppendUint32(h, id), body...)
	}
	return part(1, body[:firstPart]), part(firstPart, body[firstPart:]) // RFC 8200: more fragments
}

// sendRaw sends an IP packet as it is.
func (n place) sendRaw(t *testing.T, to netip.Addr, content []byte) {
	t.Helper()
	n.enter(t)
	family, addr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.As16()})
	if to.Is4() {
		family, addr = unix.AF_INET, &unix.SockaddrInet4{Addr: to.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, content, 0, addr); err != nil {
		t.Fatal(err)
	}
}

// forgesFragment has a pod get a datagram from a remote pod in two fragments, after somebody on the underlay has sent
// the first of them in other words. The kernel keeps the fragment that came first.
func (w *topology) forgesFragment(t *testing.T, f family) {
	t.Helper()
	from, to := netip.AddrPortFrom(f.remotePod, 5000), netip.AddrPortFrom(f.pod, 7)
	const honest = "honest, honest, honest"
	pod := w.pod.udp(t, f.pod, 7)
	before := w.counters(t)
	first, last := fragments(from, to, honest)
	forged := slices.Clone(first)
	copy(forged[len(forged)-8:], "nest, ho") // "honest, ", with the same checksum
	w.underlay.sendRaw(t, to.Addr(), forged)
	w.mesh.sendRaw(t, to.Addr(), first)
	w.mesh.sendRaw(t, to.Addr(), last)
	if err := pod.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 64)
	n, _, err := pod.ReadFromUDPAddrPort(got)
	if err != nil || string(got[:n]) != honest {
		t.Errorf("%s: the pod got %q, %v, want %q", f.name, got[:n], err, honest)
	}
	if now := w.counters(t); now[spoofedOnUnderlay] != before[spoofedOnUnderlay]+1 {
		t.Errorf("%s: %d fragments are counted as spoofed on the underlay, want one", f.name,
			now[spoofedOnUnderlay]-before[spoofedOnUnderlay])
	}
}
