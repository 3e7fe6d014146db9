package policies

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"warren.mesh/mesh/policy"
)

// pod is a Pod with all that is read of one, and some that is not.
func pod() *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	seconds := int64(30)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "x", Name: "web-0", UID: "u-0", ResourceVersion: "7", Generation: 3,
			Labels:            map[string]string{"app": "web", "tier": ""},
			Annotations:       map[string]string{"some": "thing", metav1.InitialEventsAnnotationKey: "true"},
			CreationTimestamp: metav1.Unix(1_700_000_000, 0),
			ManagedFields:     []metav1.ManagedFieldsEntry{{Manager: "kubelet", Operation: "Update"}},
		},
		Spec: corev1.PodSpec{
			NodeName: "n", ServiceAccountName: "default", TerminationGracePeriodSeconds: &seconds,
			InitContainers: []corev1.Container{
				{Name: "once", Ports: []corev1.ContainerPort{{Name: "init", ContainerPort: 1}}},
				{Name: "sidecar", RestartPolicy: &always,
					Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9090, Protocol: "TCP"}}},
			},
			Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{
				{Name: "web", ContainerPort: 80}, {ContainerPort: 81},
				{Name: "dns", ContainerPort: 53, Protocol: "UDP"},
				{Name: "odd", ContainerPort: 53, Protocol: "ICMP"},
			}}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.5", PodIPs: []corev1.PodIP{{IP: "10.0.0.5"}, {IP: "fd00::5"}},
		},
	}
}

func edited(edit func(*corev1.Pod)) *corev1.Pod {
	p := pod()
	edit(p)
	return p
}

// TestPod shows what is read of a Pod, whichever way it comes.
func TestPod(t *testing.T) {
	want := policy.Pod{
		Namespace: "x", Name: "web-0", UID: "u-0", Node: "n",
		Labels: policy.NewLabels(map[string]string{"app": "web", "tier": ""}),
		Addrs:  []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")},
		Ports: []policy.NamedPort{
			{Name: "metrics", Protocol: policy.TCP, Number: 9090}, {Name: "web", Protocol: policy.TCP, Number: 80},
			{Name: "dns", Protocol: policy.UDP, Number: 53},
		},
	}
	if diff := cmp.Diff(&want, podOf(pod()).Pod, byValue); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, test := range map[string]struct {
		edit   func(*corev1.Pod)
		absent bool
	}{
		"one that runs":                 {func(*corev1.Pod) {}, false},
		"one that terminates":           {func(p *corev1.Pod) { p.DeletionTimestamp = &p.CreationTimestamp }, false},
		"a host's":                      {func(p *corev1.Pod) { p.Spec.HostNetwork = true }, true},
		"a Job's that has completed":    {func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, true},
		"a Job's that has failed":       {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, true},
		"one address, as of old":        {func(p *corev1.Pod) { p.Status.PodIPs = nil }, false},
		"an address that is none":       {func(p *corev1.Pod) { p.Status.PodIPs[0].IP = "x" }, false},
		"an address in IPv6's notation": {func(p *corev1.Pod) { p.Status.PodIPs[0].IP = "::ffff:10.0.0.6" }, false},
		"nothing known yet":             {func(p *corev1.Pod) { *p = corev1.Pod{} }, false},
	} {
		p := edited(test.edit)
		if got := podOf(p).absent; got != test.absent {
			t.Errorf("%s: absent %t", name, got)
		}
		compareWire(t, name, p)
	}
	static := edited(func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"} })
	if got := podOf(static).UID; got != "hash" {
		t.Errorf("a static pod has the UID %q, want that under which the kubelet attaches it", got)
	}
	compareWire(t, "a static pod", static)
}

// compareWire reports whether a Pod off the wire is the same as the one decoded in full.
func compareWire(t *testing.T, name string, p *corev1.Pod) {
	t.Helper()
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePod(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(podOf(p), got, byValue, cmp.AllowUnexported(Pod{})); diff != "" {
		t.Errorf("%s (-in full +off the wire):\n%s", name, diff)
	}
}

// FuzzDecodePod shows that nothing panics, and that what decodes in full gives the same Pod off the wire, encoded as
// the API server encodes it.
func FuzzDecodePod(f *testing.F) {
	for _, p := range []*corev1.Pod{pod(), {}, edited(func(p *corev1.Pod) { p.Spec.HostNetwork = true })} {
		data, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodePod(data)
		var p corev1.Pod
		if p.Unmarshal(data) == nil {
			compareWire(t, "decoded", &p)
		}
	})
}

// TestCodec decodes what an API server sends: Pods and lists of them, in protobuf and JSON, and all else as it is.
func TestCodec(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	codecs := serializer.NewCodecFactory(scheme)
	for _, mediaType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
		info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
		encoder := codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion)
		decoder := Codec(codecs.WithoutConversion()).DecoderToVersion(info.Serializer, corev1.SchemeGroupVersion)
		decode := func(o runtime.Object) runtime.Object {
			data, err := runtime.Encode(encoder, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runtime.Decode(decoder, data)
			if err != nil {
				t.Fatalf("%s %T: %v", mediaType, o, err)
			}
			return got
		}
		if diff := cmp.Diff(podOf(pod()), decode(pod()), byValue, cmp.AllowUnexported(Pod{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mediaType, diff)
		}
		list := decode(&corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "c"},
			Items: []corev1.Pod{*pod(), *pod()}}).(*PodList)
		if len(list.Items) != 2 || list.Items[1].Name != "web-0" || list.ResourceVersion+list.Continue != "9c" {
			t.Errorf("%s: %+v", mediaType, list)
		}
		if status, ok := decode(&corev1.Node{}).(*corev1.Node); !ok {
			t.Errorf("%s: a Node became %T", mediaType, status)
		}
	}
}
