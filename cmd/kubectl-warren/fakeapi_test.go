package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/plan"
	"warren.mesh/mesh/status"
	"warren.mesh/mesh/view"
)

// fakeAPI is an API server with Nodes and a daemon on each.
type fakeAPI struct {
	nodes []corev1.Node
	pods  []corev1.Pod
	// bindings are those of the admission policies.
	bindings []string
	// absent says that there is no DaemonSet of warren's.
	absent bool
	// answer is what a daemon's pod answers to a command; nil hangs until the request ends.
	answer func(pod string, command []string) []byte
	// unknown is a flag that no daemon's version knows.
	unknown string
	// complaint is what a daemon's pod writes to standard error; the command fails after it.
	complaint map[string]string
	// forbidden are resources that the caller may not read, "pods/exec" among them.
	forbidden map[string]bool
	execs     atomic.Int32
	// objects are what is read by name, by "pods/NAMESPACE/NAME" and "services/NAMESPACE/NAME".
	objects map[string]runtime.Object
	slices  []discoveryv1.EndpointSlice
}

var began = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

// newFakeAPI has so many nodes, in three zones, which have announced themselves; answers are those of well daemons.
func newFakeAPI(t *testing.T, nodes int) *fakeAPI {
	t.Helper()
	f := &fakeAPI{
		bindings:  []string{"warren-annotations", "warren-events", "warren-kubelet", "warren-own-node"},
		forbidden: map[string]bool{},
	}
	for i := range nodes {
		f.nodes = append(f.nodes, fakeNode(t, i))
		f.pods = append(f.pods, fakePod(f.nodes[i].Name))
	}
	f.answer = func(pod string, command []string) []byte { return wellAnswer(t, strings.TrimPrefix(pod, "warren-")) }
	return f
}

// fakeNode has an announcement that its daemon could have made.
func fakeNode(t *testing.T, i int) corev1.Node {
	t.Helper()
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("node-%d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)),
		CreationTimestamp: metav1.NewTime(began.Add(time.Duration(i) * time.Second)),
		Labels:            map[string]string{corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3)},
	}}
	n.Spec.PodCIDRs = []string{fmt.Sprintf("10.%d.%d.0/24", 128+i/256, i%256)}
	n.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.%d.%d", i/250, i%250+1)},
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	self, _ := nodeobject.Read(&n)
	a := plan.Announcement(mesh.Defaults(), self)
	n.Annotations = map[string]string{
		nodeobject.Annotation(mesh.FieldPublicKey): a.PublicKey, nodeobject.Annotation(mesh.FieldProof): a.Proof,
		nodeobject.Annotation(mesh.FieldEndpoint): a.Endpoint, nodeobject.Annotation(mesh.FieldPodCIDRs): a.PodCIDRs,
		nodeobject.Annotation(mesh.FieldNodeIPs): a.NodeIPs,
	}
	return n
}

func fakePod(node string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "warren-" + node, Namespace: "kube-system"}}
	p.Spec.NodeName = node
	p.Spec.Containers = []corev1.Container{{Name: "warren", Image: "warren.mesh/warren:v1.4.0"}, {Name: "wireguard"}}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

// wellAnswer is what status, peers and doctor of a well daemon answer.
func wellAnswer(t *testing.T, node string) []byte {
	s := status.Snapshot{
		Node: node, Daemon: status.Daemon{Version: "v1.4.0"},
		ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.128.0.0/9")},
	}.Begin(began).End(began)
	d := view.NodeDocument{Report: status.Report{
		APIVersion: status.APIVersion, Kind: status.ReportKind, Source: status.SourceDaemon, ObservedAt: began,
		Status: &s, Peers: []status.Peer{{Node: "node-peer", State: mesh.PeerConnected}},
		GuardPackets: map[string]uint64{"leak-pod": 0},
	}}
	for _, e := range doctor.Entries() {
		d.Checks = append(d.Checks, view.Check{ID: string(e.ID), Result: view.OK})
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Error(err)
	}
	return text
}

// start serves and returns the path of a kubeconfig file.
func (f *fakeAPI) start(t *testing.T) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "c", "context": {"cluster": "c"}}]}`,
		server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// unserved returns the path of a kubeconfig file of an API server that is not there.
func unserved(t *testing.T) (kubeconfig string) {
	t.Helper()
	kubeconfig = newFakeAPI(t, 0).start(t)
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// Port 1 of tcpmux: nobody listens, and no test can be given it.
	gone := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(text, []byte("localhost:1"))
	if err := os.WriteFile(kubeconfig, gone, 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// ServeHTTP implements http.Handler.
func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	resource := parts[len(parts)-1]
	if len(parts) == 7 && parts[1] == "api" { // /api/v1/namespaces/NAMESPACE/RESOURCE/NAME
		f.serveObject(w, parts[5], parts[5]+"/"+parts[4]+"/"+parts[6])
		return
	}
	if resource == "exec" {
		resource = "pods/exec"
	}
	if f.forbidden[resource] {
		writeStatus(w, http.StatusForbidden, metav1.StatusReasonForbidden)
		return
	}
	switch resource {
	case "version":
		writeJSON(w, http.StatusOK, map[string]string{"gitVersion": "v1.37.2"})
	case "nodes":
		page, next := paged(r, f.nodes)
		writeObject(w, "v1", "NodeList", &corev1.NodeList{Items: page, ListMeta: next})
	case "pods":
		page, next := paged(r, f.pods)
		writeObject(w, "v1", "PodList", &corev1.PodList{Items: page, ListMeta: next})
	case "daemonsets":
		list := &appsv1.DaemonSetList{}
		if !f.absent {
			list.Items = make([]appsv1.DaemonSet, 1)
		}
		writeObject(w, "apps/v1", "DaemonSetList", list)
	case "validatingadmissionpolicies":
		list := &admissionv1.ValidatingAdmissionPolicyList{}
		for _, name := range []string{"warren-annotations", "warren-events", "warren-kubelet", "warren-own-node"} {
			p := admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
			list.Items = append(list.Items, p)
		}
		writeObject(w, "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyList", list)
	case "validatingadmissionpolicybindings":
		list := &admissionv1.ValidatingAdmissionPolicyBindingList{}
		for _, name := range f.bindings {
			list.Items = append(list.Items, admissionv1.ValidatingAdmissionPolicyBinding{
				Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
					PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
				},
			})
		}
		writeObject(w, "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBindingList", list)
	case "servicecidrs":
		list := &networkingv1.ServiceCIDRList{Items: []networkingv1.ServiceCIDR{
			{Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.96.0.0/12"}}},
		}}
		writeObject(w, "networking.k8s.io/v1", "ServiceCIDRList", list)
	case "endpointslices":
		writeObject(w, "discovery.k8s.io/v1", "EndpointSliceList", &discoveryv1.EndpointSliceList{Items: f.slices})
	case "pods/exec":
		f.execute(w, r, parts[len(parts)-2])
	default:
		http.NotFound(w, r)
	}
}

// serveObject answers a request for one object.
func (f *fakeAPI) serveObject(w http.ResponseWriter, resource, key string) {
	switch object := f.objects[key]; {
	case f.forbidden[resource]:
		writeStatus(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case object == nil:
		writeStatus(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	default:
		kind := map[string]string{"pods": "Pod", "services": "Service"}[resource]
		writeObject(w, "v1", kind, object)
	}
}

func writeStatus(w http.ResponseWriter, code int32, reason metav1.StatusReason) {
	writeJSON(w, int(code), metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason,
		Code: code, Message: strings.ToLower(string(reason)),
	})
}

// paged returns the page of a list that a request asks for.
func paged[T any](r *http.Request, all []T) (page []T, next metav1.ListMeta) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	page = all[from:]
	if limit > 0 && len(page) > limit {
		page, next.Continue = page[:limit], strconv.Itoa(from+limit)
	}
	return page, next
}

func writeJSON(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object)
}

func writeObject(w http.ResponseWriter, apiVersion, kind string, object runtime.Object) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, admissionv1.AddToScheme, networkingv1.AddToScheme,
		discoveryv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	kinds, _, err := scheme.ObjectKinds(object)
	if err != nil || kinds[0].Kind != kind || kinds[0].GroupVersion().String() != apiVersion {
		panic(fmt.Sprint(kinds, err))
	}
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	_ = protobuf.NewSerializer(scheme, scheme).Encode(object, w)
}

// The channels of an exec's stream (k8s.io/apimachinery/pkg/util/remotecommand).
const (
	channelStdout = 1
	channelStderr = 2
	channelError  = 3
)

// execute answers an exec: output, and then the exit status of success.
func (f *fakeAPI) execute(w http.ResponseWriter, r *http.Request, pod string) {
	f.execs.Add(1)
	query := r.URL.Query()
	if command := query["command"]; len(command) < 2 || command[0] != "warren" || query.Get("container") == "" ||
		query.Get("stdout") != "true" {
		http.Error(w, fmt.Sprintf("no command of warren's: %q", r.URL), http.StatusBadRequest)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if text := f.complaint[pod]; text != "" {
		_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStderr}, text...))
		_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelError}, `{"status":"Failure"}`...))
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		return
	}
	if f.unknown != "" && slices.Contains(query["command"], f.unknown) {
		const usage = `{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[` +
			`{"reason":"ExitCode","message":"2"}]}}`
		_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStderr}, "unknown flag"...))
		_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelError}, usage...))
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		return
	}
	text := f.answer(pod, query["command"])
	if text == nil {
		_, _, _ = conn.ReadMessage() // the client gives up
		return
	}
	_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelStdout}, text...))
	_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channelError}, `{"status":"Success"}`...))
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}
