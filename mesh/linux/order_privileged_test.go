package linux

import (
	"errors"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"warren.mesh/mesh"
	"warren.mesh/mesh/meshtest"
)

// TestPrivilegedAddsBeforeItRemoves listens to what the kernel tells while the routes and rules of an earlier version
// are replaced: nothing of warren's goes before all that comes is there, so no packet is without a way.
func TestPrivilegedAddsBeforeItRemoves(t *testing.T) {
	meshtest.Privileged(t)
	m := newMachine(t)
	(&meddler{machine: m}).Earlier()
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	m.complete(m.small())
	added, removed := 0, 0
	for _, kind := range toldOf(t, events) {
		switch kind {
		case unix.RTM_NEWROUTE, unix.RTM_NEWRULE:
			if added++; removed > 0 {
				t.Errorf("after %d removals another addition, the %dth", removed, added)
			}
		case unix.RTM_DELROUTE, unix.RTM_DELRULE:
			removed++
		}
	}
	if t.Logf("%d added, then %d removed", added, removed); added == 0 || removed == 0 {
		t.Errorf("%d routes and rules came and %d went, want some of both", added, removed)
	}
}

// toldOf returns the kinds of changes of warren's routes and of all rules that the kernel has told by now.
func toldOf(t *testing.T, events *nl.NetlinkSocket) (kinds []uint16) {
	t.Helper()
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(events.GetFd(), buffer, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return kinds
		}
		messages, parseErr := syscall.ParseNetlinkMessage(buffer[:max(n, 0)])
		if err := errors.Join(err, parseErr); err != nil {
			t.Fatal(err)
		}
		for _, message := range messages {
			kind := message.Header.Type
			isRoute := kind == unix.RTM_NEWROUTE || kind == unix.RTM_DELROUTE
			if !isRoute || nl.DeserializeRtMsg(message.Data).Protocol == mesh.Protocol {
				kinds = append(kinds, kind)
			}
		}
	}
}
