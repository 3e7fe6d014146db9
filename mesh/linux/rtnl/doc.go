// Package rtnl speaks rtnetlink(7): it lists whole tables of the kernel (addresses, routes, policy rules), looks up
// interfaces, decodes the kernel's notifications, and converts addresses. It does not know what a host should look
// like, and it changes nothing: who writes uses Conn.Handle.
//
// Of routes it lists those with mesh.Protocol, and anybody's in the tables of warren's own. It reports changes of
// anybody's, in the terms of package mesh.
package rtnl
