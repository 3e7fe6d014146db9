package nft

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// readsAllSince is the first version that reads what every other one has written.
var readsAllSince = []int{1, 1, 2}

// ReadsAll reports whether no set that another version of nft has written crashes the nft command: see UnreadableSet.
func ReadsAll(ctx context.Context) (bool, error) {
	said, err := exec.CommandContext(ctx, "nft", "--version").Output()
	if err != nil {
		return false, fmt.Errorf("ask nft for its version: %w", err)
	}
	version, ok := versionIn(string(said))
	if !ok {
		return false, fmt.Errorf("nft says no version, but %q", said)
	}
	return slices.Compare(version, readsAllSince) >= 0, nil
}

// versionIn reads "nftables v1.0.6 (Lester Gooch #5)".
func versionIn(said string) (version []int, ok bool) {
	said, ok = strings.CutPrefix(said, "nftables v")
	said, _, _ = strings.Cut(strings.TrimSpace(said), " ")
	for part := range strings.SplitSeq(said, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		version = append(version, n)
	}
	return version, ok
}
