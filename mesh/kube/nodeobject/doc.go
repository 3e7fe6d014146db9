// Package nodeobject translates between Node objects and the core's terms: the annotations that nodes write and read,
// and the few other fields that matter. It makes no requests, and is built for every operating system on which somebody
// looks at a cluster, where tables of nftables are not.
package nodeobject
