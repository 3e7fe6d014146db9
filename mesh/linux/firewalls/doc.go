// Package firewalls has the mesh pass the firewalls of others on a host. Where iptables would drop all that nobody has
// let in, as Docker's and ufw's policies do, it puts rules there that let in what is the mesh's; they are recognised by
// their comment. Other firewalls it recognises, and says what lets the mesh in: there, an accept of one table ends no
// drop of another, so warren cannot mend them.
//
// It also finds out whose host ports lost their rules, which are the plugin portmap's.
//
// It does not own the guard, and what it lets in the guard judges as before.
package firewalls
