package agent_test

import (
	"strings"
	"testing"

	"warren.mesh/mesh/meshtest"
)

// TestFirewalls: what was added to others' firewalls is logged, and what they may drop is a warning while it lasts.
func TestFirewalls(t *testing.T) {
	cluster(t, 2, func(t *testing.T, _ *meshtest.API, machines []*machine) {
		a := machines[0]
		const doubt = "chain forward of nftables table inet filter may drop pods' and the mesh's packets: do this"
		a.host.SetFirewalls([]string{"ip filter FORWARD: warren: to pods"}, []string{doubt})
		settle()
		log := strings.Join(a.log.read(), "\n")
		for _, want := range []string{
			`msg="rule added to the host's firewall" rule="ip filter FORWARD: warren: to pods"`,
			`msg=warning step="other firewalls" reason="` + doubt + `"`,
		} {
			if strings.Count(log, want) != 1 {
				t.Errorf("%s is not logged once:\n%s", want, log)
			}
		}
		want := "warning: other firewalls: " + doubt
		if code, body := a.get("/readyz"); code != 200 || !strings.Contains(body, want) {
			t.Errorf("/readyz: %d %s", code, body)
		}
		a.host.SetFirewalls(nil, nil)
		settle()
		want = `msg="warning is over" step="other firewalls"`
		if log := strings.Join(a.log.read(), "\n"); !strings.Contains(log, want) {
			t.Errorf("the end is not logged:\n%s", log)
		}
	})
}
