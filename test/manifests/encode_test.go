package manifests_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// encoding is one of the ways in which the API server takes a changed Node.
type encoding struct {
	name, method string
	contentType  types.PatchType
	encode       func(before, after []byte) ([]byte, error)
}

// encodings are all of them: whoever checks one may have forgotten another.
var encodings = []encoding{
	{"put", http.MethodPut, "application/json", func(_, after []byte) ([]byte, error) { return after, nil }},
	{"merge", http.MethodPatch, types.MergePatchType, mergePatch},
	{"strategic", http.MethodPatch, types.StrategicMergePatchType, strategicPatch},
	{"json", http.MethodPatch, types.JSONPatchType, jsonPatch},
	{"apply", http.MethodPatch, types.ApplyPatchType, applyPatch},
}

// body is nil where the change cannot be told in this way.
func (e encoding) body(before, after *corev1.Node) ([]byte, error) {
	was, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	now, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	return e.encode(was, now)
}

func mergePatch(before, after []byte) ([]byte, error) {
	return jsonmergepatch.CreateThreeWayJSONMergePatch(before, after, before)
}

func strategicPatch(before, after []byte) ([]byte, error) {
	return strategicpatch.CreateTwoWayMergePatch(before, after, corev1.Node{})
}

type object = map[string]any

func mergeObject(before, after []byte) (old, merge object, err error) {
	if err := json.Unmarshal(before, &old); err != nil {
		return nil, nil, err
	}
	patch, err := mergePatch(before, after)
	if err != nil {
		return nil, nil, err
	}
	return old, merge, json.Unmarshal(patch, &merge)
}

// jsonPatch makes each leaf of a merge patch an operation.
func jsonPatch(before, after []byte) ([]byte, error) {
	old, merge, err := mergeObject(before, after)
	if err != nil {
		return nil, err
	}
	return json.Marshal(operations("", old, merge))
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func operations(path string, old, merge object) (all []object) {
	for _, key := range slices.Sorted(maps.Keys(merge)) {
		at := path + "/" + pointer.Replace(key)
		inner, isObject := merge[key].(object)
		below, descend := old[key].(object)
		switch {
		case isObject && descend:
			all = append(all, operations(at, below, inner)...)
		case merge[key] == nil:
			all = append(all, object{"op": "remove", "path": at})
		default:
			all = append(all, object{"op": "add", "path": at, "value": merge[key]})
		}
	}
	return all
}

// applyPatch applies what a strategic patch sets. It can remove nothing that the applier does not own, lists are taken
// by their keys only, and the server takes no managedFields.
func applyPatch(before, after []byte) ([]byte, error) {
	var was corev1.Node
	var applied object
	patch, err := strategicPatch(before, after)
	if err := errors.Join(err, json.Unmarshal(before, &was), json.Unmarshal(patch, &applied)); err != nil {
		return nil, err
	}
	if !applies(applied) {
		return nil, nil
	}
	metadata, ok := applied["metadata"].(object)
	if !ok {
		metadata = object{}
	}
	metadata["name"], metadata["uid"] = was.Name, was.UID
	applied["apiVersion"], applied["kind"], applied["metadata"] = "v1", "Node", metadata
	return json.Marshal(applied)
}

// applies is whether an apply can say the same as a strategic patch, of which it takes away what is not needed.
func applies(patch object) bool {
	for key, value := range patch {
		inner, _ := value.(object)
		switch {
		case strings.HasPrefix(key, "$setElementOrder/"), key == "$retainKeys":
			delete(patch, key)
		case strings.HasPrefix(key, "$"), key == "managedFields", key == "addresses", value == nil, !applies(inner):
			return false
		}
		for _, item := range list(value) {
			if !applies(item) {
				return false
			}
		}
	}
	return true
}

// list is the objects of a list.
func list(value any) (objects []object) {
	items, _ := value.([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			objects = append(objects, o)
		}
	}
	return objects
}
