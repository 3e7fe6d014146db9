package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/view"
)

// asPlugin has this program be the plugin, which writes its peak of memory to the file of that name.
const asPlugin = "WARREN_TEST_PLUGIN"

func TestMain(m *testing.M) {
	file := os.Getenv(asPlugin)
	if file == "" {
		os.Exit(m.Run())
	}
	code, err := run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	text, statusErr := os.ReadFile("/proc/self/status")
	if err := errors.Join(err, statusErr, os.WriteFile(file, text, 0o600)); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// peakMemory reads VmHWM from such a file, in bytes. A child's rusage has its parent's peak, too.
func peakMemory(t *testing.T, file string) (peak int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	if _, err := fmt.Sscan(after, &peak); err != nil {
		t.Fatal(err)
	}
	return peak << 10
}

// With 5,000 Nodes as large as real ones are, well or malformed, status takes bounded memory, time and requests.
func TestLargeCluster(t *testing.T) {
	const nodes, mostMemory, mostTime = 5000, 200 << 20, 20 * time.Second
	f := newFakeAPI(t, nodes)
	for i := range f.nodes {
		fatten(&f.nodes[i])
	}
	kubeconfig := f.start(t)
	for _, malformed := range []bool{false, true} {
		want := view.ExitWell
		if malformed {
			want = view.ExitFinding
			for i := range f.nodes {
				f.nodes[i].Annotations[nodeobject.Annotation("proof")] = strings.Repeat("?", 100)
			}
		}
		f.execs.Store(0)
		cmd := exec.Command(os.Args[0], "status", "--kubeconfig", kubeconfig)
		file := filepath.Join(t.TempDir(), "status")
		cmd.Env = append(os.Environ(), asPlugin+"="+file)
		begin := time.Now()
		out, err := cmd.Output()
		memory := peakMemory(t, file)
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("malformed %v: %v, %v of processor, %d MiB\n%s", malformed, time.Since(begin).Round(time.Millisecond),
			cpu.Round(time.Millisecond), memory>>20, out)
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("exit status %d, want %d: %v", got, want, err)
		}
		if memory > mostMemory || cpu > mostTime || f.execs.Load() > 3 {
			t.Errorf("%d MiB, %v of processor, %d execs", memory>>20, cpu, f.execs.Load())
		}
	}
}

// fatten makes a Node some 15 kB, as kubelets do with labels, conditions and images.
func fatten(n *corev1.Node) {
	for i := range 50 {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{
			Names: []string{
				fmt.Sprintf("registry.example/some/image-%d@sha256:%064d", i, i), fmt.Sprintf("image:%d", i),
			},
			SizeBytes: 1 << 20,
		})
	}
	n.ManagedFields = append(n.ManagedFields, metav1.ManagedFieldsEntry{
		Manager: "kubelet", FieldsV1: &metav1.FieldsV1{Raw: []byte(strings.Repeat(`{"f:x":{}}`, 700))},
	})
}
