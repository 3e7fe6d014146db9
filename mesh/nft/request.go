package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Netfilter's verdicts (NF_DROP and NF_ACCEPT of linux/netfilter.h), in policies and in rules.
const (
	verdictDrop   = 0
	verdictAccept = 1
)

// dumpAttempts is how often a dump is made that another's transaction interrupts.
const dumpAttempts = 10

// dump asks the kernel for all objects of a kind in the calling thread's network namespace, narrowed down by
// attributes. None is no error.
func dump(kind int, family byte, attributes []byte) ([]netlink.Message, error) {
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return dumpOn(conn, kind, family, attributes)
}

// dumpOn is dump on a socket. A dump may lack something when a transaction came in between, and is made again.
func dumpOn(conn *netlink.Conn, kind int, family byte, attributes []byte) (replies []netlink.Message, err error) {
	for range dumpAttempts {
		replies, err = conn.Execute(message(kind, family, netlink.Request|netlink.Dump, attributes))
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		if err != nil || !slices.ContainsFunc(replies, interrupted) {
			return replies, err
		}
	}
	return nil, errors.New("transactions of others interrupted each dump")
}

func interrupted(m netlink.Message) bool { return m.Header.Flags&netlink.DumpInterrupted != 0 }

// transact makes the changes, all or none.
func transact(changes ...netlink.Message) error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return transactOn(conn, changes)
}

// transactOn is transact on a socket. After an error the socket is good for nothing but its
// end: the kernel may have more to say of what it refused.
func transactOn(conn *netlink.Conn, changes []netlink.Message) error {
	if len(changes) == 0 {
		return nil
	}
	// The kernel answers what fails, and what asks for it. So one answer tells of all.
	changes[len(changes)-1].Header.Flags |= netlink.Acknowledge
	batch := slices.Concat([]netlink.Message{boundary(unix.NFNL_MSG_BATCH_BEGIN)}, changes,
		[]netlink.Message{boundary(unix.NFNL_MSG_BATCH_END)})
	if _, err := conn.SendMessages(batch); err != nil {
		return err
	}
	_, err := conn.Receive()
	return err
}

func dial() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	return conn, nil
}

func message(kind int, family byte, flags netlink.HeaderFlags, attributes []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: flags},
		Data:   append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attributes...),
	}
}

// boundary begins or ends a transaction; its res_id names the subsystem.
func boundary(kind int) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
	}
}

// encoded returns attributes in netfilter's byte order.
func encoded(write func(*netlink.AttributeEncoder)) ([]byte, error) {
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	write(e)
	return e.Encode()
}

// familyNumber is netfilter's number of an address family.
func familyNumber(name string) (byte, error) {
	for number, known := range families {
		if known == name {
			return number, nil
		}
	}
	return 0, fmt.Errorf("unknown address family %q", name)
}
