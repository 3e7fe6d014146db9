package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren.mesh/mesh/meshtest"
)

// TestHostPorts: pods whose host ports lost their rules are told, once they have lacked them for a while, until the
// rules are back or the pods gone. A pod that is being detached is not.
func TestHostPorts(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		told := func() bool {
			_, body := a.get("/readyz")
			return strings.Contains(body, "warning: host ports: ")
		}
		look := func(after time.Duration) {
			time.Sleep(after)
			synctest.Wait()
		}
		web, dns := map[string]string{"a": "default/web (8080/tcp)"}, map[string]string{"b": "default/dns (53/udp)"}
		a.attachments.setHostPorts(web)
		a.host.SetUnforwarded("a")
		look(time.Second)
		if told() {
			t.Error("a pod is told that may be being detached")
		}
		look(10 * time.Second)
		if code, body := a.get("/readyz"); code != 200 || !strings.Contains(body, "anew: default/web (8080/tcp)") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		a.host.SetUnforwarded() // the plugin has made the rules again
		look(time.Second)
		if told() {
			t.Error("a pod is told whose rules are back")
		}
		a.host.SetUnforwarded("a")
		look(10 * time.Second)
		a.attachments.setHostPorts(dns) // the pod is gone, of which nobody tells
		look(10 * time.Second)
		if told() {
			t.Error("a pod is told that is gone")
		}
	})
}
