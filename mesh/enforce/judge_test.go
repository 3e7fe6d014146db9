package enforce

import (
	"testing"

	"warren.mesh/mesh/policy"
)

// Who asks is told by all that was set: which pods are attached, and which policies isolate them.
func TestJudge(t *testing.T) {
	simulate(t, func(w *world) {
		running(w)
		before, _ := w.kernel.counts()
		connection := policy.Connection{Client: addr(2), Server: addr(3), Protocol: "tcp", Port: 80}
		d := w.Judge(connection)
		if isolating := d.Ingress.Isolating; d.Allowed || len(isolating) != 1 || isolating[0] != "shop/closes-db" {
			t.Errorf("to an isolated pod: %v", d)
		}
		connection.Client, connection.Server = connection.Server, connection.Client
		if d := w.Judge(connection); !d.Allowed || d.Ingress.Pod != "shop/web" || d.Egress.Pod != "shop/db" {
			t.Errorf("from an isolated pod: %v", d)
		}
		connection.Client = addr(1)
		if d := w.Judge(connection); !d.Allowed || d.Reason != policy.FromNode {
			t.Errorf("from the node: %v", d)
		}
		connection.Client = addr(9)
		if d := w.Judge(connection); d.Allowed || d.Reason != policy.UnknownPod {
			t.Errorf("from a pod that is not known: %v", d)
		}
		if after, _ := w.kernel.counts(); after != before {
			t.Error("asking has written")
		}
		w.DeletePolicy("shop", "closes-db")
		if d := w.Judge(policy.Connection{Client: addr(2), Server: addr(3), Protocol: "tcp", Port: 80}); !d.Allowed {
			t.Errorf("without the policy: %v", d)
		}
	})
}
