package traffic

import "testing"

// The example of RFC 1071, section 3, whose sum is ddf2.
func TestChecksum(t *testing.T) {
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("%04x", got)
	}
}

func TestPingKnowsItsReply(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := pinger{v6: v6, id: 0x1234}
		reply := p.request(7)
		if p.reply(reply, 7) {
			t.Error("a request was taken for its reply")
		}
		reply[0] = map[bool]byte{false: echoReply4, true: echoReply6}[v6]
		if !p.reply(reply, 7) {
			t.Error("a reply was not recognised")
		}
		if p.reply(reply, 8) || (pinger{v6: v6, id: 1}).reply(reply, 7) || p.reply(reply[:7], 7) {
			t.Error("another's reply was taken for one's own")
		}
	}
}
