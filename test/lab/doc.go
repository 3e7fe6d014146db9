// Package lab is a Kubernetes cluster on one machine, for tests and for the demonstration: a real API server with etcd
// and the controllers that hand out pod CIDRs, and nodes that are sets of Linux namespaces joined by a bridge (the
// "underlay"). Daemons run in the nodes as processes of their own with their own pod-bound tokens; pods are network
// namespaces attached by executing the CNI configuration that the daemon installed. A test reads like a story:
//
//	l := lab.Start(t, lab.Options{Nodes: 3, Family: lab.Dual})
//	underlay := l.CapturePlaintext(t)
//	l.StartMesh(t)
//	a, b := l.Node(1).AddPod(t, "a"), l.Node(2).AddPod(t, "b")
//	flow := l.Flow(t, a.Host, b.Host, traffic.Options{})
//	l.Node(1).KillDaemon(t)
//	l.Node(1).StartDaemon(t)
//	l.Node(1).WaitReady(t)
//	flow.WantNoLoss(t)
//	underlay.WantNone(t)
//
// What sets the scene takes a TB and ends the test when it fails; what is being tested returns an error.
//
// Its rooms: machine starts sets of namespaces, and inside is what runs there; namespace enters them. host is one
// host of a lab: commands, programs and connections. traffic sends and counts packets, capture watches and judges
// them, packet decodes and builds them. programs builds what a lab runs, by artifact's cache; pki makes certificates,
// audit reads the API server's log. The package itself joins them into a cluster: underlay, control plane, Nodes,
// pods, daemons.
//
// Two labs of different names run side by side with the same addresses: nothing happens in the root network namespace,
// and nothing of the host's is written but the lab's directory and empty mount points (/etc/cni, /opt/cni,
// /var/lib/cni, /var/lib/warren). Every process of a lab lives in the PID namespace of a machine, and ends with that
// machine's first one. The first process ends when the process that started the lab does, however it ends, unless the
// lab is kept.
//
// The package does not own what is asserted about the mesh: acceptance tests do.
package lab
