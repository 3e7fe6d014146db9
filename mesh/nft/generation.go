package nft

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rulesetGeneration asks the kernel for the generation of the ruleset in the calling thread's network namespace.
func rulesetGeneration() (uint32, error) {
	conn, err := dial()
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	return generationOn(conn)
}

// generationOn is rulesetGeneration on a socket.
func generationOn(conn *netlink.Conn) (uint32, error) {
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   make([]byte, nfgenmsgSize),
	})
	if err != nil {
		return 0, fmt.Errorf("read the generation of the nftables ruleset: %w", err)
	}
	if len(replies) != 1 || len(replies[0].Data) < nfgenmsgSize {
		return 0, fmt.Errorf("read the generation of the nftables ruleset: %d unexpected replies", len(replies))
	}
	return generationOf(replies[0]), nil
}
