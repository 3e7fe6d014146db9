package vm

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren.mesh/mesh/meshtest"
	"warren.mesh/test/vm/guest"
)

// BenchmarkKernel runs test/bench's comparison of the mesh with a tunnel made by hand on the kernel's WireGuard, and
// reports what it reported. The guest's processor is emulated, and its clock counts instructions: the ratios tell how
// many more warren takes, on one processor and whatever the caches of a real one would make of it, and the absolute
// figures tell nothing.
func BenchmarkKernel(b *testing.B) {
	meshtest.Privileged(b)
	i := newImage(b)
	i.suites = []suite{{
		dir: "test/bench", timeout: patience,
		args: []string{"-test.run=^$", "-test.bench=^BenchmarkMesh$", "-test.benchtime=1x",
			"-test.timeout=" + patience.String()},
	}}
	m := i.machine(b, Linux612)
	m.timeout, m.counted = 2*patience, true
	begin := time.Now()
	outcome, err := m.run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("the machine ended after %v; what it has said is in %s", time.Since(begin).Round(time.Second), m.outcome())
	report(b, outcome)
}

// report makes each of the guest's benchmarks one of b's.
func report(b *testing.B, outcome []byte) {
	b.Helper()
	sections, done := sections(outcome)
	if !done || len(sections) != 1 || sections[0].verdict != guest.OK {
		b.Fatalf("the guest's benchmarks have not come to a good end:\n%s", outcome)
	}
	all := measurements(sections[0].lines)
	if len(all) == 0 {
		b.Fatalf("the guest has measured nothing:\n%s", outcome)
	}
	for _, m := range all {
		b.Run(m.name, func(b *testing.B) {
			for unit, value := range m.values {
				b.ReportMetric(value, unit)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measurement is a benchmark's result.
type measurement struct {
	name   string
	values map[string]float64
}

// measurements are the results among a test binary's lines, in Go's benchmark format: name, number of iterations, and
// pairs of value and unit (golang.org/design/14313-benchmark-format).
func measurements(lines []byte) (all []measurement) {
	for line := range bytes.Lines(lines) {
		fields := strings.Fields(strings.Trim(string(line), "\x16\n"))
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(fields[0], "Benchmark"), "-2") // the machine has two processors
		m := measurement{name: name, values: map[string]float64{}}
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				break
			}
			m.values[fields[i+1]] = value
		}
		all = append(all, m)
	}
	return all
}

func TestMeasurements(t *testing.T) {
	const lines = "goos: linux\nBenchmarkMesh/kernel/tcp\n    mesh_test.go:1: round 0: Benchmark 1 2 3\n" +
		"\x16BenchmarkMesh/kernel/tcp-nodelay-2 \t       1\t 36.63 byhand-Mbit/s\t 0.87 ratio-Mbit/s\nPASS\n"
	want := []measurement{{name: "Mesh/kernel/tcp-nodelay",
		values: map[string]float64{"byhand-Mbit/s": 36.63, "ratio-Mbit/s": 0.87}}}
	if got := measurements([]byte(lines)); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
