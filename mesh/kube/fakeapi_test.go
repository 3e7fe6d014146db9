package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// fakeAPI is as much of an API server as two reflectors and three patches need, without a network, so that it works in
// a synctest bubble. It is a round tripper: requests end here.
type fakeAPI struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	nodes  map[string]*corev1.Node
	// history is what watches that resume are told, event by event; event i led to revision i+1.
	history []event
	watches map[*watching]bool
	patches []patched
}

type event struct {
	kind string
	node *corev1.Node
}

// watching is one client's watch.
type watching struct {
	full bool
	only string
	// since is the revision up to which it has seen everything, be it one that this server has not reached yet.
	since int
	lines chan []byte
}

// patched is one PATCH request as it came.
type patched struct {
	Path, ContentType, Query, Body string
}

func newFakeAPI(nodes ...*corev1.Node) *fakeAPI {
	f := &fakeAPI{nodes: map[string]*corev1.Node{}, watches: map[*watching]bool{}}
	for _, n := range nodes {
		f.put(n)
	}
	return f
}

func (f *fakeAPI) config() *rest.Config {
	return &rest.Config{Host: "http://192.0.2.1:6443", Transport: f}
}

// cluster is a Cluster of node a on this API server.
func (f *fakeAPI) cluster(t *testing.T, changed func()) *Cluster {
	t.Helper()
	c, err := New(Config{REST: f.config(), NodeName: "a", Changed: changed})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answers overrides what requests get from now on. Where answer gives neither a response nor an error, or is nil, they
// are served.
func (f *fakeAPI) answers(answer func(*http.Request) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeAPI) RoundTrip(request *http.Request) (*http.Response, error) {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		if response, err := answer(request); response != nil || err != nil {
			return response, err
		}
	}
	query := request.URL.Query()
	w := &watching{
		full: asksFull(request),
		only: strings.TrimPrefix(query.Get("fieldSelector"), "metadata.name="),
	}
	switch {
	case request.Method == http.MethodPatch:
		return f.patch(request)
	case query.Get("watch") != "" && query.Get("sendInitialEvents") == "":
		return f.watch(request.Context(), w, query.Get("resourceVersion")), nil
	case f.ahead(query.Get("resourceVersion")):
		return tooLarge(), nil
	case query.Get("watch") != "":
		return f.watch(request.Context(), w, ""), nil
	default:
		return reply(http.StatusOK, f.list(w)), nil
	}
}

// asksFull tells the watch of the own Node from that of all.
func asksFull(r *http.Request) bool {
	return !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata")
}

// put creates or changes a Node and tells the watches.
func (f *fakeAPI) put(n *corev1.Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := "MODIFIED"
	if _, ok := f.nodes[n.Name]; !ok {
		kind = "ADDED"
	}
	f.nodes[n.Name] = f.tell(kind, n)
}

// remove deletes a Node and tells the watches.
func (f *fakeAPI) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell("DELETED", f.nodes[name])
	delete(f.nodes, name)
}

// restore replaces the store by another one, as when a server starts on an empty etcd or on a backup: revisions begin
// anew. All watches end.
func (f *fakeAPI) restore(nodes ...*corev1.Node) {
	f.hangUp()
	f.mu.Lock()
	f.nodes, f.history = map[string]*corev1.Node{}, nil
	f.mu.Unlock()
	for _, n := range nodes {
		f.put(n)
	}
}

// ahead reports whether a client knows a later revision than this server does.
func (f *fakeAPI) ahead(revision string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := strconv.Atoi(revision)
	return known > len(f.history)
}

// tell makes a new revision of n known.
func (f *fakeAPI) tell(kind string, n *corev1.Node) *corev1.Node {
	n = n.DeepCopy()
	n.ResourceVersion = strconv.Itoa(len(f.history) + 1)
	f.history = append(f.history, event{kind, n})
	for w := range f.watches {
		w.tell(event{kind, n})
	}
	return n
}

// tell sends what the watch has not seen. A real server too ends no watch that begins at a revision ahead of its own,
// and is silent until it has passed that revision.
func (w *watching) tell(e event) {
	if revision, _ := strconv.Atoi(e.node.ResourceVersion); revision <= w.since && e.kind != "BOOKMARK" {
		return
	}
	if w.only == "" || w.only == e.node.Name || e.node.Name == "" {
		w.lines <- append(encode(map[string]any{"type": e.kind, "object": w.view(e.node)}), '\n')
	}
}

// hangUp ends all watches, as a server that stops does.
func (f *fakeAPI) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watches {
		f.end(w)
	}
}

func (f *fakeAPI) end(w *watching) {
	if f.watches[w] {
		close(w.lines)
		delete(f.watches, w)
	}
}

// watch streams all that is there and then what happens, or what has happened since a revision.
func (f *fakeAPI) watch(ctx context.Context, w *watching, since string) *http.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.lines = make(chan []byte, 100)
	f.watches[w] = true
	if since == "" {
		for _, n := range f.nodes {
			w.tell(event{"ADDED", n})
		}
		w.tell(event{"BOOKMARK", &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: f.revision(),
			Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}}})
	} else {
		w.since, _ = strconv.Atoi(since)
		for _, e := range f.history {
			w.tell(e)
		}
	}
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.end(w)
	})
	body, stream := io.Pipe()
	go func() {
		for text := range w.lines {
			_, _ = stream.Write(text)
		}
		_ = stream.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: jsonHeader(), Body: body}
}

func (f *fakeAPI) revision() string { return strconv.Itoa(len(f.history)) }

func (f *fakeAPI) list(w *watching) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var items []any
	for _, n := range f.nodes {
		if w.only == "" || w.only == n.Name {
			items = append(items, w.view(n))
		}
	}
	kind, version := "PartialObjectMetadataList", "meta.k8s.io/v1"
	if w.full {
		kind, version = "NodeList", "v1"
	}
	return map[string]any{"kind": kind, "apiVersion": version, "items": items,
		"metadata": map[string]any{"resourceVersion": f.revision()}}
}

func (f *fakeAPI) patch(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.patches = append(f.patches, patched{
		Path: request.URL.Path, ContentType: request.Header.Get("Content-Type"), Query: request.URL.RawQuery,
		Body: string(body),
	})
	return reply(http.StatusOK, (&watching{}).view(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}})), nil
}

// view is the form in which this client wants objects.
func (w *watching) view(n *corev1.Node) any {
	if w.full {
		return struct {
			metav1.TypeMeta `json:",inline"`
			*corev1.Node
		}{metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, n}
	}
	return metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
		ObjectMeta: n.ObjectMeta,
	}
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func reply(code int, value any) *http.Response {
	return &http.Response{StatusCode: code, Header: jsonHeader(), Body: io.NopCloser(bytes.NewReader(encode(value)))}
}

// refuse is an error answer of the API server.
func refuse(code int, reason metav1.StatusReason, message string) *http.Response {
	return reply(code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

// tooLarge is the answer to a client that wants nothing older than a revision which this server has not reached.
func tooLarge() *http.Response {
	return reply(http.StatusGatewayTimeout, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout,
		Message: "Too large resource version",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}},
	})
}
