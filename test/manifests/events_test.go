package manifests_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh/events"
	"warren.mesh/mesh/kube"
)

// What the policy warren-events says.
const (
	notUpdateEvent  verdict = "warren may create Events, not UPDATE them"
	notDeleteEvent  verdict = "warren may create Events, not DELETE them"
	otherRegarding  verdict = "warren may create Events about its own Node only"
	otherNamespace  verdict = "warren may create Events in the namespace default only"
	otherReason     verdict = "warren may create Events with the reasons of its own runbooks only"
	otherReporter   verdict = "warren may create Events in its own name only"
	otherEventName  verdict = "warren's Events are named NODE.REASON.NUMBER"
	otherEventField verdict = "warren's Events say at most 1024 characters, and nothing beside"
)

// someEvent is one that is there; eventNumber ends the names of those that are not.
const (
	someEvent   = "own.waiting.1"
	eventNumber = "2f"
)

// telling is an attempt to create an Event; every telling is a dry run.
type telling struct {
	name, as string
	// change makes the Event another than a daemon's.
	change func(*corev1.Event)
	want   verdict
}

// daemonsEvent is what the daemon of a node tells.
func daemonsEvent(node string, reason events.Reason) *corev1.Event {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	return &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: node + "." + strings.ToLower(string(reason)) + "." + eventNumber,
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Node", Name: node, UID: "5a1d6c0e-58a5-4d3f-9d35-95d7f3c7a001",
		},
		Reason: string(reason), Message: strings.Repeat("é", 1024), Type: "Warning", Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: "warren", Host: node},
		ReportingController: "warren", ReportingInstance: node,
	}
}

// tellings are of the token of own, where they name no other.
func tellings() (list []telling) {
	add := func(name string, want verdict, change func(*corev1.Event)) {
		list = append(list, telling{name, own, change, want})
	}
	for _, reason := range events.Reasons() {
		add("tell "+string(reason), allowed, func(e *corev1.Event) { *e = *daemonsEvent(own, reason) })
	}
	add("tell what is normal", allowed, func(e *corev1.Event) { e.Type = "Normal" })
	add("tell with the longest UID", allowed, func(e *corev1.Event) {
		e.InvolvedObject.UID = types.UID(strings.Repeat("x", 64))
	})
	add("tell with the longest number", allowed, func(e *corev1.Event) {
		e.Name = own + ".waiting." + strings.Repeat("f", 16)
	})
	add("tell without a count", allowed, func(e *corev1.Event) { e.Count = 0 })
	for _, client := range []string{"bound to the Node", "stranger"} {
		list = append(list, telling{"tell", client, func(*corev1.Event) {}, allowed})
	}
	list = append(list, telling{"tell", "unbound", func(*corev1.Event) {}, otherRegarding},
		telling{"tell about another", other, func(*corev1.Event) {}, otherRegarding})

	for name, change := range map[string]func(*corev1.Event){
		"another node":    func(e *corev1.Event) { e.InvolvedObject.Name = other },
		"another kind":    func(e *corev1.Event) { e.InvolvedObject.Kind = "Pod" },
		"another version": func(e *corev1.Event) { e.InvolvedObject.APIVersion = "v2" },
		"a field":         func(e *corev1.Event) { e.InvolvedObject.FieldPath = "spec" },
		"a revision":      func(e *corev1.Event) { e.InvolvedObject.ResourceVersion = "1" },
		"a long UID":      func(e *corev1.Event) { e.InvolvedObject.UID = types.UID(strings.Repeat("x", 65)) },
		"a pod": func(e *corev1.Event) {
			e.Namespace, e.InvolvedObject.Namespace, e.InvolvedObject.Kind = "kube-system", "kube-system", "Pod"
		},
	} {
		add("about "+name, otherRegarding, change)
	}
	add("in another namespace", otherNamespace+or+otherEventField, func(e *corev1.Event) {
		e.Namespace, e.EventTime, e.Action, e.Message = "kube-system", metav1.NowMicro(), "x", "short"
	})
	add("another reason", otherReason, func(e *corev1.Event) {
		e.Reason, e.Name = "NodeReady", own+".nodeready."+eventNumber
	})
	add("another type", otherReason, func(e *corev1.Event) { e.Type = "Error" })
	for name, change := range map[string]func(*corev1.Event){
		"kubelet":          func(e *corev1.Event) { e.ReportingController = "kubelet" },
		"another instance": func(e *corev1.Event) { e.ReportingInstance = other },
		"another source":   func(e *corev1.Event) { e.Source.Component = "kubelet" },
		"another host":     func(e *corev1.Event) { e.Source.Host = other },
		"nobody":           func(e *corev1.Event) { e.Source = corev1.EventSource{} },
	} {
		add("in the name of "+name, otherReporter, change)
	}
	for _, name := range []string{
		other + ".waiting." + eventNumber, own + ".failing." + eventNumber, own + ".waiting.x", own + ".waiting.1.2",
		own + ".waiting." + strings.Repeat("1", 17), own + "waiting",
	} {
		add("named "+name, otherEventName, func(e *corev1.Event) { e.Name = name })
	}
	for name, change := range map[string]func(*corev1.Event){
		"a longer note":    func(e *corev1.Event) { e.Message += "é" },
		"a count":          func(e *corev1.Event) { e.Count = 2 },
		"an action":        func(e *corev1.Event) { e.Action = "x" },
		"a related object": func(e *corev1.Event) { e.Related = &corev1.ObjectReference{Kind: "Pod", Name: "x"} },
		"a series": func(e *corev1.Event) {
			e.Series = &corev1.EventSeries{Count: 1, LastObservedTime: metav1.NowMicro()}
		},
		"labels":      func(e *corev1.Event) { e.Labels = map[string]string{"a": "b"} },
		"annotations": func(e *corev1.Event) { e.Annotations = map[string]string{"a": "b"} },
		"finalizers":  func(e *corev1.Event) { e.Finalizers = []string{"example.com/x"} },
	} {
		add("with "+name, otherEventField, change)
	}
	return list
}

// createEvent makes the Event that others try to change.
func (f *fixture) createEvent(t *testing.T) {
	t.Helper()
	e := daemonsEvent(own, events.Waiting)
	e.Name = someEvent
	if _, err := f.admin.Events("default").Create(t.Context(), e, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// told says whether a telling does not end as it should.
func (f *fixture) told(ctx context.Context, a telling) error {
	e := daemonsEvent(own, events.Waiting)
	a.change(e)
	err := f.clients[a.as].Post().Namespace(e.Namespace).Resource("events").Param("dryRun", "All").Body(encoded(e)).
		SetHeader("Content-Type", "application/json").Do(ctx).Error()
	if a.want != allowed {
		err = wantDenied(err, string(a.want))
	}
	if err != nil {
		return fmt.Errorf("%s by %s: %w", a.name, a.as, err)
	}
	return nil
}

// eventRequest is one for Events other than to create one in the core group.
type eventRequest struct {
	name, method, path string
	body               any
	want               verdict
}

func eventRequests() []eventRequest {
	const core = "/api/v1/namespaces/default/events"
	changed := daemonsEvent(own, events.Waiting)
	changed.Name, changed.Message = someEvent, "another"
	return []eventRequest{
		{"update an Event", http.MethodPut, core + "/" + someEvent, changed, notUpdateEvent},
		{"patch an Event", http.MethodPatch, core + "/" + someEvent, map[string]any{"message": "x"}, notUpdateEvent},
		{"delete an Event", http.MethodDelete, core + "/" + someEvent, nil, notDeleteEvent},
		{"delete all Events", http.MethodDelete, core, nil, notDeleteEvent},
		{"tell through the other group", http.MethodPost, "/apis/events.k8s.io/v1/namespaces/default/events",
			&eventsv1.Event{
				TypeMeta:   metav1.TypeMeta{APIVersion: "events.k8s.io/v1", Kind: "Event"},
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: own + ".waiting." + eventNumber},
				Regarding:  corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: other},
				EventTime:  metav1.NowMicro(), Action: "x", Reason: "Waiting", Type: "Normal",
				ReportingController: "warren", ReportingInstance: own,
			}, otherRegarding + or + otherReporter + or + otherEventField},
	}
}

// eventFailure says whether the request does not end as it should. The shipped role lets create Events only.
func (f *fixture) eventFailure(ctx context.Context, r eventRequest, granted rights) error {
	q := f.clients[own].Verb(r.method).AbsPath(r.path).Param("dryRun", "All")
	if r.method == http.MethodPatch {
		q.SetHeader("Content-Type", string(types.MergePatchType))
	} else {
		q.SetHeader("Content-Type", "application/json")
	}
	if r.body != nil {
		q.Body(encoded(r.body))
	}
	want := string(r.want)
	if granted == shipped {
		want = " cannot "
	}
	if err := wantDenied(q.Do(ctx).Error(), want); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

func encoded(object any) []byte {
	body, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return body
}

// tells has the Node's daemon tell each of its Events twice, and wants one of each, which describing the Node shows.
func (f *fixture) tells(t *testing.T, c *kube.Cluster, node string) {
	t.Helper()
	uid, now := string(f.node(t, node).UID), time.Now()
	for range 2 {
		for _, reason := range events.Reasons() {
			e := events.Event{Reason: reason, Note: "because of " + node, At: now}
			if err := c.Tell(t.Context(), uid, e); err != nil {
				t.Error(err)
			}
		}
	}
	description := f.Kubectl(t, "", "describe", "node", node)
	for _, reason := range events.Reasons() {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^ +(Normal|Warning) +%s +\S+ +warren +because of %s$`, reason, node))
		if n := len(row.FindAllString(description, -1)); n != 1 {
			t.Errorf("%d Events %s about %s, want 1, in\n%s", n, reason, node, description)
		}
	}
	foreign := c.Tell(t.Context(), uid, events.Event{Reason: "NodeReady", At: now})
	if !errors.Is(foreign, events.ErrRefused) {
		t.Errorf("another program's Event: %v", foreign)
	}
}
