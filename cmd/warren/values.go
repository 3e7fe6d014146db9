package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// value is a pflag.Value of any type, made of two functions.
type value[T any] struct {
	target *T
	parse  func(string) (T, error)
	text   func(T) string
	kind   string
}

// Set implements pflag.Value. It replaces the value, also of a list: environment or command line set the whole list.
func (v value[T]) Set(text string) (err error) {
	*v.target, err = v.parse(text)
	return err
}

// String implements pflag.Value.
func (v value[T]) String() string { return v.text(*v.target) }

// Type implements pflag.Value. It returns the name of the value in the help text.
func (v value[T]) Type() string { return v.kind }

// cidrs returns a flag value that is a comma-separated list of CIDRs.
func cidrs(target *[]netip.Prefix) value[[]netip.Prefix] {
	return value[[]netip.Prefix]{target, parseCIDRs, joinCIDRs, "CIDR,..."}
}

func parseCIDRs(text string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not a CIDR such as 10.244.0.0/16", part)
		}
		list = append(list, prefix)
	}
	return list, nil
}

func joinCIDRs(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, prefix := range list {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ",")
}

// mark returns a flag value that is a packet mark, printed in hexadecimal.
func mark(target *uint32) value[uint32] {
	parse := func(text string) (uint32, error) {
		n, err := strconv.ParseUint(text, 0, 32)
		return uint32(n), err
	}
	return value[uint32]{target, parse, func(n uint32) string { return fmt.Sprintf("%#x", n) }, "bit"}
}
