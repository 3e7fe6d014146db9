// Package linux owns the part of one Linux host's network that is warren's: it observes it, applies changes to it, and
// notices when somebody else changes it. What it should look like is decided by package mesh, when to observe and to
// apply by package agent, and the CNI plugins make the bridge and the pods' interfaces.
//
// A Host composes parts, each of which owns one kind of object and is given no more than it needs:
//
//   - links: the WireGuard interface (existence, MTU, state, addresses) and the bridge's MTU and addresses
//   - wg.Device: key, port and peers of the device behind the interface
//   - routing.Routes and routing.Rules: routes and policy rules
//   - sysctls: kernel parameters
//   - nft.Table: the nftables table "inet warren", which package guard lays out
//   - firewalls.Firewalls: the way through the host's other firewalls
//
// Package drift remembers what the host should look like and compares, package handshake has the device begin
// handshakes, and package rtnl speaks rtnetlink for all of them.
//
// What is warren's is told by name (link, bridge, nftables table), by mesh.Protocol (rules, and routes in
// mesh.TableMain and mesh.TableEarlier), by table (routes in mesh.TablePods and mesh.TableNodes) and by
// firewalls.Comment (rules in iptables' chains). Nothing else is ever removed.
//
// A Host works in the network namespace of the thread that called New, and reads /proc/sys and starts nft in that of
// the calling thread: in a daemon they are the same; a test locks its thread.
package linux
