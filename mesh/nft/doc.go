// Package nft treats nftables tables as values. A Layout is everything that a table is made of. A Table puts a Layout
// in force, edits elements, lists what is there, reads counters, and tells its own writes from others'. A Watch reports
// what others change. The package does not know what rules are for: mesh/guard and other packages write them.
package nft
