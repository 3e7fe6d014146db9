package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/lab"
)

// BenchmarkDaemonPods tells the most memory that a daemon's process has had after it has started in a cluster of so
// many pods, which it reads through a real API server, and how long that took. The pods are written to etcd as the API
// server would write them: one by one they would take it an hour.
func BenchmarkDaemonPods(b *testing.B) {
	meshtest.Privileged(b)
	l := lab.Start(b, lab.Options{Nodes: 1})
	l.StartMesh(b)
	store := &etcd{client: &http.Client{Transport: &http.Transport{DialContext: l.Control.Dial}}}
	for _, pods := range []int{0, 15_000, 150_000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			store.fill(b, pods)
			waitListed(b, l, pods)
			b.ResetTimer()
			for b.Loop() {
				var peak, used, ready []float64
				for range starts {
					l.Node(1).StopDaemon(b)
					begin := time.Now()
					l.Node(1).StartDaemon(b)
					l.Node(1).WaitReady(b)
					ready = append(ready, time.Since(begin).Seconds())
					u := l.Node(1).DaemonUsage(b)
					peak, used = append(peak, float64(u.Peak)/1e6), append(used, u.Processor.Seconds())
				}
				b.ReportMetric(median(peak), "peak-MB")
				b.ReportMetric(median(used), "processor-s")
				b.ReportMetric(median(ready), "ready-s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// waitListed waits until the API server's cache has the pods.
func waitListed(b *testing.B, l *lab.Lab, pods int) {
	b.Helper()
	if pods == 0 {
		return
	}
	last := storedPod(pods - 1)
	lab.Wait(b, 10*time.Minute, "the API server to know the pods", func() error {
		out := l.Kubectl(b, "", "get", "pods", "--namespace="+last.Namespace, "--output=name")
		if !strings.Contains(out, last.Name) {
			return fmt.Errorf("no %s/%s", last.Namespace, last.Name)
		}
		return nil
	})
}

// etcd is the store, by the JSON form of its API (grpc-gateway).
type etcd struct {
	client *http.Client
	// filled is how many pods it has.
	filled int
}

// transaction is how many objects are written in one: etcd takes 128 at most.
const transaction = 100

// fill writes pods until there are so many.
func (e *etcd) fill(b *testing.B, pods int) {
	b.Helper()
	for e.filled < pods {
		type put struct {
			Key   []byte `json:"key"`
			Value []byte `json:"value"`
		}
		type operation struct {
			Put put `json:"requestPut"`
		}
		var all []operation
		for range min(transaction, pods-e.filled) {
			p := storedPod(e.filled)
			key := "/registry/pods/" + p.Namespace + "/" + p.Name
			all = append(all, operation{put{[]byte(key), encoded(b, p)}})
			e.filled++
		}
		body, err := json.Marshal(map[string]any{"success": all})
		if err != nil {
			b.Fatal(err)
		}
		e.post(b, body)
	}
}

func (e *etcd) post(b *testing.B, body []byte) {
	b.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost,
		"http://127.0.0.1:2379/v3/kv/txn", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	response, err := e.client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("write pods to etcd: %s: %.300s, %v", response.Status, answer, err)
	}
}

// encoded is the object as the API server stores it.
func encoded(b *testing.B, p *corev1.Pod) []byte {
	b.Helper()
	p.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	var stored bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(runtime.Object(p), &stored); err != nil {
		b.Fatal(err)
	}
	return stored.Bytes()
}

// storedPod is a pod of a Deployment with ten replicas on another node, about as large as they are.
func storedPod(i int) *corev1.Pod {
	app := fmt.Sprint("application-", i/10)
	address := fmt.Sprintf("10.%d.%d.%d", 128+i>>16, i>>8&255, i&255)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprint("namespace-", i/100), Name: fmt.Sprintf("%s-6d6dfbb6ff-%05d", app, i),
			UID:               types.UID(fmt.Sprintf("f3a1c0de-58a5-4d3f-9d35-%012d", i)),
			Labels:            map[string]string{"app": app, "pod-template-hash": "6d6dfbb6ff"},
			CreationTimestamp: metav1.Unix(1_790_000_000, 0),
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1",
				FieldsType: "FieldsV1",
				FieldsV1: &metav1.FieldsV1{
					Raw: []byte(`{"f:status":{` + strings.Repeat(`"f:x":{},`, 200) + `"f:y":{}}}`),
				},
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: fmt.Sprint("node-", i%5000), ServiceAccountName: "default",
			Containers: []corev1.Container{{
				Name: "application", Image: "registry.example/team/application:1.2.3",
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
				Env: []corev1.EnvVar{{Name: "DATABASE", Value: "postgres://database.example/application"},
					{Name: "LOG", Value: "info"}},
			}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	scheme.Scheme.Default(p)
	return p
}
