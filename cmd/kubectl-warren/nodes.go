package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"warren.mesh/mesh/kube/nodeobject"
	"warren.mesh/mesh/plan"
)

// bufferSize is how much of a file the decoder looks at to tell YAML from JSON, in bytes.
const bufferSize = 4096

// readNodes reads Nodes and lists of Nodes, one document after the other.
func readNodes(in io.Reader) (members []plan.Member, err error) {
	decoder := yaml.NewYAMLOrJSONDecoder(in, bufferSize)
	for {
		var document json.RawMessage
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			if len(members) == 0 {
				return nil, errors.New("it holds no Node")
			}
			return members, nil
		case err != nil:
			return nil, err
		}
		if members, err = appendNodes(members, document); err != nil {
			return nil, err
		}
	}
}

// appendNodes adds the Nodes of one document: a Node, a NodeList, or a List as kubectl writes it.
func appendNodes(members []plan.Member, document []byte) ([]plan.Member, error) {
	if len(document) == 0 {
		return members, nil
	}
	var head struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(document, &head); err != nil {
		return nil, err
	}
	switch head.Kind {
	case "Node":
		var node corev1.Node
		if err := json.Unmarshal(document, &node); err != nil {
			return nil, err
		}
		self, overrides := nodeobject.Read(&node)
		return append(members, plan.Member{Self: self, Overrides: overrides}), nil
	case "List", "NodeList":
		for _, item := range head.Items {
			var err error
			if members, err = appendNodes(members, withKind(head.Kind, item)); err != nil {
				return nil, err
			}
		}
		return members, nil
	case "":
		return members, nil // an empty document
	default:
		return nil, fmt.Errorf("it holds a %s, want Nodes and lists of Nodes", head.Kind)
	}
}

// withKind gives an item of a NodeList its kind, which the API leaves out there.
func withKind(list string, item json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if list != "NodeList" || json.Unmarshal(item, &fields) != nil {
		return item
	}
	fields["kind"] = json.RawMessage(`"Node"`)
	text, err := json.Marshal(fields)
	if err != nil {
		return item
	}
	return text
}
