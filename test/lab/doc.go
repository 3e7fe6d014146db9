// Package lab is a Kubernetes cluster on one machine, for tests and for the demonstration: a real API server with etcd
// and the controllers that hand out pod CIDRs, and nodes that are sets of Linux namespaces joined by a bridge (the
// "underlay"). Daemons run in the nodes as processes of their own with their own pod-bound tokens; pods are network
// namespaces attached by executing the CNI configuration that the daemon installed. A test reads like a story:
//
//	l := lab.Start(t, lab.Options{Nodes: 3, Family: lab.Dual})
//	capture := l.CapturePlaintext(t)
//	l.StartMesh(t)
//	a, b := l.Node(1).AddPod(t, "a"), l.Node(2).AddPod(t, "b")
//	flow := l.Flow(t, a.Host, b.Host, lab.FlowOptions{})
//	l.Node(1).KillDaemon(t)
//	l.Node(1).StartDaemon(t)
//	l.Node(1).WaitReady(t)
//	flow.WantNoLoss(t)
//	capture.WantNone(t)
//
// What sets the scene takes a TB and ends the test when it fails; what is being tested returns an error.
//
// Two labs of different names run side by side with the same addresses: nothing happens in the root network namespace,
// and nothing of the host's is written but the lab's directory and empty mount points (/etc/cni, /opt/cni, /var/lib/cni,
// /var/lib/warren). Every process of a lab lives in the PID namespace of a machine, and ends with that machine's first one;
// that one ends when the process that started the lab does, however it ends, unless the lab is kept.
//
// The package does not own what is asserted about the mesh: acceptance tests do.
package lab
