package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrCrashed is wrapped by the errors of a Table whose nft command crashed. They name the sets that crash it and what
// mends that.
var ErrCrashed = errors.New("the nft command crashed")

// faults are the signals that a program gets for a fault of its own. A command that is killed, because its context has
// ended or for want of memory, has none.
var faults = []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE}

// explained returns the error of the nft command; of one that crashed, with the cause and the remedy.
func explained(ctx context.Context, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || !slices.Contains(faults, status.Signal()) {
		return err
	}
	cause := "no set that is known to crash it is there; compare its version with that of the host's nft"
	// Why the sets, or the version, cannot be read is no part of this error.
	sets, _ := UnreadableSets()
	if all, _ := ReadsAll(ctx); all {
		sets = nil
	}
	if remedies := Remedies(sets); len(remedies) > 0 {
		cause = remedies[0]
		if len(remedies) > 1 {
			cause += fmt.Sprintf("; the same for %d more", len(remedies)-1)
		}
	}
	return fmt.Errorf("%w (%w): %s", ErrCrashed, err, cause)
}

// UnreadableSet is a set or a map that crashes nft before 1.1.2 whenever it reads the ruleset, which it does for almost
// all that it is asked.
type UnreadableSet struct {
	ID
	Set string
}

// String says what the set does, and what mends it.
func (s UnreadableSet) String() string {
	return fmt.Sprintf("set %s of nftables table %v crashes nft before 1.1.2, warren's among them, because a newer "+
		"nft wrote it: delete it, or declare it with typeof in the place of type, such as \"typeof ip saddr\" for "+
		"\"type ipv4_addr\"", s.Set, s.ID)
}

// Remedies says of each set what it does and what mends it, and of all in warren's own tables together: these must go
// at once, because the daemon can write none while one of them is there.
func Remedies(sets []UnreadableSet) (all []string) {
	var own []string
	for _, s := range sets {
		if !s.Own() {
			all = append(all, s.String())
		} else if deletion := "delete table " + s.ID.String(); !slices.Contains(own, deletion) {
			own = append(own, deletion)
		}
	}
	if len(own) > 0 {
		all = append(all, fmt.Sprintf("a newer nft has loaded warren's own tables, as from a saved ruleset, and "+
			"warren's nft, which is older than 1.1.2, crashes at their sets: delete them with the newer one, all at "+
			"once, and the daemon writes them anew: nft '%s'", strings.Join(own, "; ")))
	}
	return all
}

// UnreadableSets returns those of all tables in the calling thread's network namespace, sorted.
func UnreadableSets() ([]UnreadableSet, error) {
	replies, err := dump(unix.NFT_MSG_GETSET, unix.NFPROTO_UNSPEC, nil)
	if err != nil {
		return nil, fmt.Errorf("list nftables sets: %w", err)
	}
	var all []UnreadableSet
	for _, m := range replies {
		if v := raw(m); unreadable(v[unix.NFTA_SET_USERDATA]) {
			id := ID{Family: families[m.Data[0]], Name: v.text(unix.NFTA_SET_TABLE)}
			all = append(all, UnreadableSet{ID: id, Set: v.text(unix.NFTA_SET_NAME)})
		}
	}
	slices.SortFunc(all, func(a, b UnreadableSet) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

// isUnreadable reports whether the notification is about such a set.
func isUnreadable(m netlink.Message) bool {
	return m.Header.Type&0xff == unix.NFT_MSG_NEWSET && unreadable(raw(m)[unix.NFTA_SET_USERDATA])
}

// What nft and libnftnl (its udata.h) write into a set's user data of the expressions by which it was declared, and
// EXPR_VALUE of nft's expression.h. Since 1.1.2, "type ipv4_addr" is such an expression; older ones call the function
// that reads it, which they do not have.
const (
	setKeyTypeof  = 3 // NFTNL_UDATA_SET_KEY_TYPEOF
	setDataTypeof = 4 // NFTNL_UDATA_SET_DATA_TYPEOF
	typeofExpr    = 0 // NFTNL_UDATA_SET_TYPEOF_EXPR
	exprValue     = 4
)

func unreadable(userdata []byte) bool {
	for kind, value := range userData(userdata) {
		if kind != setKeyTypeof && kind != setDataTypeof {
			continue
		}
		for kind, value := range userData(value) {
			if kind == typeofExpr && len(value) == 4 && binary.NativeEndian.Uint32(value) == exprValue {
				return true
			}
		}
	}
	return false
}
