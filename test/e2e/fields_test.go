package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	views "warren.mesh/mesh/view"
	"warren.mesh/test/lab"
)

// fields are what `warren status -o json` has on every node of a mesh, with the JSON type, whichever its device.
var fields = []string{
	"apiVersion string", "kind string", "source string", "observedAt string",
	"status.node string", "status.daemon.version string", "status.daemon.backend string",
	"status.daemon.backendReason string", "status.pass.ended string", "status.pass.outcome string",
	"status.pass.count.success number", "status.peers.desired number", "status.peers.programmed number",
	"status.peers.unanswered number", "status.peers.turns number", "status.pods.cidrs[] string",
	"status.pods.effective bool", "status.watch.restarts number", "status.keyReplacements number",
	"peers[].node string", "peers[].state string", "peers[].publicKey string", "peers[].lastHandshake string",
	"peers[].endpoint string", "peers[].announcedEndpoint string", "peers[].allowedIPs[] string",
	"peers[].receivedBytes number", "peers[].sentBytes number",
	"guardPackets.leak-pod number", "guardPackets.plain-to-pod number",
}

// wantFields wants the document to have these fields, and no field that programs do not know. It runs with the
// userspace device here, and with the kernel's in a virtual machine.
func wantFields(t *testing.T, n *lab.Node) {
	t.Helper()
	out, _ := n.Warren(t, "status", "-o", "json")
	strict := json.NewDecoder(strings.NewReader(out))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&views.NodeDocument{}); err != nil {
		t.Errorf("%s: %v", n.Name, err)
	}
	var document any
	decode(t, out, &document)
	have := map[string]bool{}
	collect(have, "", document)
	missing := slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return have[f] })
	if len(missing) > 0 {
		t.Errorf("%s: warren status -o json lacks %q:\n%s", n.Name, missing, out)
	}
}

// collect adds a line for each value in a document, "PATH TYPE".
func collect(all map[string]bool, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			collect(all, strings.TrimPrefix(path+"."+name, "."), inner)
		}
	case []any:
		for _, inner := range v {
			collect(all, path+"[]", inner)
		}
	default:
		kind := map[string]string{"string": "string", "float64": "number", "bool": "bool"}[fmt.Sprintf("%T", v)]
		all[path+" "+kind] = true
	}
}
