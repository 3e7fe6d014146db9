// Package linux owns the network of one Linux host as far as it is warren's: it observes and applies the WireGuard
// interface, its addresses and device, the bridge's MTU and addresses, routes, policy rules, sysctls and the nftables
// table, and it notices when somebody else changes them. What they should be is mesh's business, when to look and to
// apply agent's, and the bridge and the pods' interfaces are made by the CNI plugins.
//
// What is warren's is told by name (link, bridge, nftables table) and by mesh.Protocol in the tables mesh.TableMain and
// mesh.TableMesh (routes, rules). Nothing else is ever removed.
//
// A Host works in the network namespace of the thread that called New, and reads /proc/sys and starts nft in that of
// the calling thread: in a daemon they are the same; a test locks its thread.
package linux
