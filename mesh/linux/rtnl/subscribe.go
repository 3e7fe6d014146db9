package rtnl

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrLost means that the kernel dropped notifications, because they came faster than they were received.
var ErrLost = errors.New("routing notifications were lost")

// receiveBuffer holds the notifications of some 10,000 routes, in bytes: a change to a large mesh, or the flush of a
// large table, comes at once.
const receiveBuffer = 4 << 20

// groups are the multicast groups whose notifications parseEvent decodes.
var groups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
}

// Subscription receives the kernel's notifications about the network namespace of the thread that called Subscribe.
type Subscription struct{ socket *nl.NetlinkSocket }

// Subscribe begins to receive notifications. Close ends that.
func Subscribe() (*Subscription, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, groups...)
	if err != nil {
		return nil, fmt.Errorf("subscribe to routing notifications: %w", err)
	}
	// Without CAP_NET_ADMIN in the first user namespace the size is limited; lost notifications are noticed then.
	_ = socket.SetReceiveBufferSize(receiveBuffer, true)
	return &Subscription{socket}, nil
}

// Receive waits for notifications and decodes them. It returns ErrLost where some were lost: the next call goes on. Any
// other error ends the subscription, and so does Close.
func (s *Subscription) Receive() ([]Event, error) {
	messages, from, err := s.socket.Receive()
	switch {
	case errors.Is(err, unix.ENOBUFS):
		return nil, ErrLost
	case err != nil:
		return nil, fmt.Errorf("receive routing notifications: %w", err)
	case from.Pid != nl.PidKernel:
		return nil, nil
	}
	events := make([]Event, 0, len(messages))
	for _, m := range messages {
		events = append(events, parseEvent(m))
	}
	return events, nil
}

// Close ends the subscription; Receive returns.
func (s *Subscription) Close() { s.socket.Close() }
