package nft

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// parseRule reads the kernel's description of a rule, and the name of its chain.
func parseRule(m netlink.Message) (r SimpleRule, chain string, ok bool) {
	if len(m.Data) < nfgenmsgSize {
		return SimpleRule{}, "", false
	}
	p := ruleParser{rule: &r}
	for a := range attributes(m) {
		switch a.Type() {
		case unix.NFTA_RULE_CHAIN:
			chain = a.String()
		case unix.NFTA_RULE_HANDLE:
			r.Handle = a.Uint64()
		case unix.NFTA_RULE_USERDATA:
			r.Comment = commentIn(a.Bytes(), ruleCommentType)
		case unix.NFTA_RULE_EXPRESSIONS:
			a.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Nested(p.expression)
				}
				return list.Err()
			})
		}
	}
	r.Narrowed = r.Narrowed || p.udp && r.UDPPort == 0
	return r, chain, true
}

// commentIn returns the comment in an object's user data, which has that type there; empty where there is none.
func commentIn(data []byte, commentType byte) string {
	for kind, value := range userData(data) {
		if kind == commentType {
			return cString(value)
		}
	}
	return ""
}

// userData are an object's user data, by type: libnftnl's attributes, with a byte each for type and length. It ends
// where a value is cut off.
func userData(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for len(data) >= 2 && len(data) >= 2+int(data[1]) {
			kind, value := data[0], data[2:2+int(data[1])]
			if !yield(kind, value) {
				return
			}
			data = data[2+len(value):]
		}
	}
}

func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

// ruleParser reads a rule's expressions, one after the other.
type ruleParser struct {
	rule *SimpleRule
	// loaded is what the next comparison is of; empty where that is not known.
	loaded string
	// udp says that the rule is about UDP.
	udp bool
}

// values are an expression's attributes by type. Of nested ones, these are the raw bytes.
type values map[uint16][]byte

func valuesOf(data []byte) values {
	all := values{}
	d, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return all
	}
	for d.Next() {
		all[d.Type()] = d.Bytes()
	}
	return all
}

func (v values) number(kind uint16) uint32 {
	if len(v[kind]) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v[kind])
}

func (v values) long(kind uint16) uint64 {
	if len(v[kind]) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v[kind])
}

func (v values) text(kind uint16) string { return cString(v[kind]) }

// expression reads one expression. One that is not known narrows the rule down.
func (p *ruleParser) expression(a *netlink.AttributeDecoder) error {
	var name string
	var data values
	for a.Next() {
		switch a.Type() {
		case unix.NFTA_EXPR_NAME:
			name = a.String()
		case unix.NFTA_EXPR_DATA:
			data = valuesOf(a.Bytes())
		}
	}
	switch name {
	case "counter", "log", "nflog":
	case "meta", "payload":
		p.load(name, data)
	case "cmp":
		p.compare(data)
	case "match":
		p.match(data)
	case "immediate":
		p.immediate(data)
	case "reject":
		p.rule.Verdict = "drop"
	case "target":
		p.target(data.text(unix.NFTA_TARGET_NAME))
	default:
		p.rule.Narrowed = true
	}
	return a.Err()
}

// load remembers what is going to be compared.
func (p *ruleParser) load(name string, data values) {
	p.loaded = ""
	key := data.number(unix.NFTA_META_KEY)
	base, offset := data.number(unix.NFTA_PAYLOAD_BASE), data.number(unix.NFTA_PAYLOAD_OFFSET)
	length := data.number(unix.NFTA_PAYLOAD_LEN)
	switch {
	case name == "meta" && key == unix.NFT_META_IIFNAME:
		p.loaded = "in"
	case name == "meta" && key == unix.NFT_META_OIFNAME:
		p.loaded = "out"
	case name == "meta" && key == unix.NFT_META_L4PROTO,
		// The protocol in an IPv4 header, as older iptables has it.
		name == "payload" && base == unix.NFT_PAYLOAD_NETWORK_HEADER && offset == 9 && length == 1:
		p.loaded = "protocol"
	case name == "payload" && base == unix.NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && length == 2:
		p.loaded = "port"
	}
}

func (p *ruleParser) compare(data values) {
	value := valuesOf(data[unix.NFTA_CMP_DATA])[unix.NFTA_DATA_VALUE]
	loaded := p.loaded
	p.loaded = ""
	whole := bytes.IndexByte(value, 0) >= 0 // else the name's beginning is compared
	switch {
	case data.number(unix.NFTA_CMP_OP) != unix.NFT_CMP_EQ:
		p.rule.Narrowed = true
	case loaded == "in" && whole:
		p.rule.In = cString(value)
	case loaded == "out" && whole:
		p.rule.Out = cString(value)
	case loaded == "protocol" && len(value) == 1 && value[0] == unix.IPPROTO_UDP:
		p.udp = true
	case loaded == "port" && len(value) == 2:
		p.rule.UDPPort = binary.BigEndian.Uint16(value)
	default:
		p.rule.Narrowed = true
	}
}

// match reads what iptables-nft writes for a match.
func (p *ruleParser) match(data values) {
	info := data[unix.NFTA_MATCH_INFO]
	switch data.text(unix.NFTA_MATCH_NAME) {
	case "comment":
		p.rule.Comment = cString(info)
	case "udp":
		if len(info) < 10 || !bytes.Equal(info[:10], udpMatch(binary.NativeEndian.Uint16(info[4:]))[:10]) {
			p.rule.Narrowed = true
			return
		}
		p.rule.UDPPort = binary.NativeEndian.Uint16(info[4:])
	default:
		p.rule.Narrowed = true
	}
}

func (p *ruleParser) immediate(data values) {
	verdict := valuesOf(valuesOf(data[unix.NFTA_IMMEDIATE_DATA])[unix.NFTA_DATA_VERDICT])
	if data.number(unix.NFTA_IMMEDIATE_DREG) != unix.NFT_REG_VERDICT {
		return
	}
	p.rule.Target = verdict.text(unix.NFTA_VERDICT_CHAIN)
	p.rule.Verdict = verdictWords[int32(verdict.number(unix.NFTA_VERDICT_CODE))]
}

// verdictWords are verdicts in nft's words.
var verdictWords = map[int32]string{
	verdictAccept: "accept", verdictDrop: "drop", unix.NFT_CONTINUE: "continue",
	unix.NFT_JUMP: "jump", unix.NFT_GOTO: "goto", unix.NFT_RETURN: "return",
}

// target reads what iptables-nft writes for a target that nftables has no verdict of.
func (p *ruleParser) target(name string) {
	switch name {
	case "REJECT":
		p.rule.Verdict = "drop"
	case "LOG", "NFLOG", "TRACE", "MARK", "CONNMARK", "TCPMSS":
	default:
		p.rule.Narrowed = true
	}
}
