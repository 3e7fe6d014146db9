package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warren.mesh/mesh"
	"warren.mesh/mesh/doctor"
	"warren.mesh/mesh/view"
)

// diagnosed runs doctor as it is called, and returns its checks by ID. What it says of the kernel depends on who runs
// the test.
func diagnosed(t *testing.T, args ...string) (checks map[string]view.Check, code int) {
	t.Helper()
	out, code := execute(t, append([]string{"doctor", "-o", "json"}, args...)...)
	var document struct{ Checks []view.Check }
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	checks = map[string]view.Check{}
	for _, c := range document.Checks {
		checks[c.ID] = c
	}
	return checks, code
}

func TestDoctor(t *testing.T) {
	key := filepath.Join(t.TempDir(), "private.key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	confDir := t.TempDir()
	if err := os.WriteFile(filepath.Join(confDir, "00-other.conf"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	runDir := telling(t, wellReport(mesh.PeerUnanswered))
	checks, code := diagnosed(t, "--run-dir", runDir, "--cni-conf-dir", confDir, "--key-file", key)
	if code != view.ExitFinding {
		t.Errorf("exit status %d", code)
	}
	for id, want := range map[doctor.ID]view.Result{
		doctor.APIServer: view.OK, doctor.AdmissionPolicies: view.Unknown, doctor.Sessions: view.Fail,
		doctor.CNIConfiguration: view.Fail, doctor.StrayPods: view.OK,
	} {
		if got := checks[string(id)]; got.Result != want {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}
	// The report in the test is of another time than the key.
	if detail := checks[string(doctor.KeyAge)].Detail; strings.Contains(detail, "looked at") {
		t.Errorf("the key's age: %s", detail)
	}
}

// Of a directory that is not there it is not known whether another configuration comes first.
func TestDoctorWithoutConfigurations(t *testing.T) {
	confDir := t.TempDir()
	for dir, want := range map[string]view.Result{confDir: view.OK, filepath.Join(confDir, "absent"): view.Unknown} {
		checks, _ := diagnosed(t, "--run-dir", telling(t, wellReport(mesh.PeerConnected)), "--cni-conf-dir", dir)
		if got := checks[string(doctor.CNIConfiguration)]; got.Result != want {
			t.Errorf("%s: %+v, want %s", dir, got, want)
		}
	}
}

// --short leaves out what is well, in every format, and changes no exit status.
func TestDoctorShort(t *testing.T) {
	runDir := telling(t, wellReport(mesh.PeerConnected))
	all, code := diagnosed(t, "--run-dir", runDir, "--key-file", "/nonexistent")
	short, shortCode := diagnosed(t, "--run-dir", runDir, "--key-file", "/nonexistent", "--short")
	if code != shortCode || all["W01"].Result != view.OK || short["W01"].ID != "" ||
		short["W18"].Result != view.Unknown {
		t.Errorf("exit statuses %d and %d; %+v and %+v", code, shortCode, all, short)
	}
}
