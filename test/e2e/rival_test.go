package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/events"
	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
)

// A configuration that sorts before warren's makes the node unready, and says so where people look; one that refers to
// warren's is a warning, and so are plugins that somebody has replaced.
func (tg *target) rival(t *testing.T) {
	n := tg.node
	const file, plugin = "/etc/cni/net.d/05-other.conflist", "/opt/cni/bin/portmap"
	logged := len(n.Log())
	write := func(content string) { n.MustExec(t, "sh", "-c", "echo '"+content+"' >"+file) }
	effective := func(want float64) {
		t.Helper()
		if got := n.Metrics(t)["warren_cni_effective"]; got != want {
			t.Errorf("warren_cni_effective %v, want %v", got, want)
		}
	}
	write(`{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "bridge"}]}`)
	took := lab.Wait(t, time.Minute, "the node to be unready", func() error {
		if err := n.Ready(); err == nil || !strings.Contains(err.Error(), file) {
			return fmt.Errorf("ready: %v", err)
		}
		return nil
	})
	t.Logf("unready after %v", took.Round(time.Millisecond))
	waitNetworkUnavailable(t, n, corev1.ConditionTrue)
	effective(0)
	wantCheck(t, n, doctor.CNIConfiguration, views.Fail)
	wantOnce(t, n.Log()[logged:], file)
	tg.waitEvent(t, events.ForeignCNI, file)

	write(`{"cniVersion": "1.0.0", "name": "multus", "type": "multus", "clusterNetwork": "warren"}`)
	waitNetworkUnavailable(t, n, corev1.ConditionFalse)
	n.WaitReady(t)
	effective(1)
	waitWarning(t, n, "cni delegation", 1)
	n.MustExec(t, "rm", file)
	waitWarning(t, n, "cni delegation", 0)
	wantCheck(t, n, doctor.CNIConfiguration, views.OK)

	n.MustExec(t, "cp", "-p", plugin, "/opt/cni/portmap")
	n.MustExec(t, "sh", "-c", "echo other >"+plugin+".new && mv "+plugin+".new "+plugin)
	waitWarning(t, n, "cni plugins", 1)
	n.MustExec(t, "mv", "/opt/cni/portmap", plugin)
	waitWarning(t, n, "cni plugins", 0)
	n.WaitReady(t)
	tg.waitEvent(t, events.ForeignCNI, file)
}

// waitEvent waits until one Event with this reason and text is told about the node. A second is one too many.
func (tg *target) waitEvent(t *testing.T, reason events.Reason, text string) {
	t.Helper()
	n := tg.node
	lab.Wait(t, time.Minute, "the Event "+string(reason), func() error {
		list, err := tg.Core().Events("default").List(t.Context(), metav1.ListOptions{
			FieldSelector: "involvedObject.kind=Node,involvedObject.name=" + n.Name + ",reason=" + string(reason),
		})
		if err != nil {
			return err
		}
		if len(list.Items) > 1 {
			t.Fatalf("%d Events %s about %s", len(list.Items), reason, n.Name)
		}
		for _, e := range list.Items {
			if strings.Contains(e.Message, text) && e.Source.Component == "warren" &&
				e.Type == corev1.EventTypeWarning {
				return nil
			}
		}
		return fmt.Errorf("told are %v", list.Items)
	})
}

func waitNetworkUnavailable(t *testing.T, n *lab.Node, want corev1.ConditionStatus) {
	t.Helper()
	lab.Wait(t, time.Minute, "NetworkUnavailable to be "+string(want), func() error {
		for _, c := range n.Object(t).Status.Conditions {
			if c.Type == corev1.NodeNetworkUnavailable && c.Status == want {
				return nil
			}
		}
		return fmt.Errorf("conditions %v", n.Object(t).Status.Conditions)
	})
}

// waitWarning waits until the step has a warning (1) or none (0).
func waitWarning(t *testing.T, n *lab.Node, step string, want float64) {
	t.Helper()
	name := `warren_warning{step="` + step + `"}`
	lab.Wait(t, time.Minute, "the warning "+step, func() error {
		if got := n.Metrics(t)[name]; got != want {
			return fmt.Errorf("%s is %v, want %v", name, got, want)
		}
		return nil
	})
}
