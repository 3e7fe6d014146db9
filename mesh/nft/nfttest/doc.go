// Package nfttest follows virtual packets through an nft.Layout, so that tests without root see what rules do and not
// only how they read. A Tracer says for each packet which rules match, in which chain it is dropped, what is counted
// and marked, and with which source it leaves. What the kernel would look up, or know from earlier packets, is given
// with the packet: interfaces, local addresses, connection tracking, translations.
//
// It knows the expressions that warren's rules use and refuses all others: a rule that it cannot follow fails the test.
// Tests with packets compare its answers with the kernel's.
package nfttest
