package kube

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"warren.mesh/mesh/kube/policies"
)

// clients reads objects in several ways over one connection: metadata only, full objects, and Pods in part.
type clients struct {
	metadata         metadata.Getter
	metadataOf       metadata.Interface
	core, networking *rest.RESTClient
	pods             *rest.RESTClient
}

// newClients returns clients that connect by dial.
func newClients(config *rest.Config, dial dialFunc) (c clients, err error) {
	config = rest.CopyConfig(config)
	config.Dial = dial
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return clients{}, err
	}
	if c.metadataOf, err = metadata.NewForConfigAndClient(config, transport); err != nil {
		return clients{}, err
	}
	c.metadata = c.metadataOf.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))
	core, err := groupConfig(config, "/api", corev1.SchemeGroupVersion, corev1.AddToScheme)
	if err != nil {
		return clients{}, err
	}
	networking, err := groupConfig(config, "/apis", networkingv1.SchemeGroupVersion, networkingv1.AddToScheme)
	if err != nil {
		return clients{}, err
	}
	pods := rest.CopyConfig(core)
	pods.NegotiatedSerializer = policies.Codec(core.NegotiatedSerializer)
	c.core, c.networking, c.pods, err = restClients(transport, core, networking, pods)
	return c, err
}

func restClients(transport *http.Client, core, networking, pods *rest.Config) (a, b, c *rest.RESTClient, err error) {
	if a, err = rest.RESTClientForConfigAndClient(core, transport); err != nil {
		return nil, nil, nil, err
	}
	if b, err = rest.RESTClientForConfigAndClient(networking, transport); err != nil {
		return nil, nil, nil, err
	}
	c, err = rest.RESTClientForConfigAndClient(pods, transport)
	return a, b, c, err
}

// groupConfig returns the configuration of a client that knows one group only. The typed clients of client-go link the
// types of every API group: 17 MB of a binary of 20 MB, and 8 MB of each daemon's memory.
func groupConfig(
	config *rest.Config, path string, group schema.GroupVersion, add func(*runtime.Scheme) error,
) (*rest.Config, error) {
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	c := rest.CopyConfig(config)
	c.APIPath = path
	c.GroupVersion = &group
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c.ContentType = runtime.ContentTypeProtobuf
	return c, nil
}

// allNodes lists and watches the metadata of all Nodes.
func (c clients) allNodes() *cache.ListWatch { return metadataLists(c.metadata) }

// allNamespaces lists and watches the metadata of all namespaces, which has their labels.
func (c clients) allNamespaces() *cache.ListWatch {
	return metadataLists(c.metadataOf.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")))
}

func metadataLists(of metadata.Getter) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return of.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return of.Watch(ctx, options)
		},
	}
}

// oneNode lists and watches one Node in full.
func (c clients) oneNode(name string) *cache.ListWatch {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, name)
	return cache.NewListWatchFromClient(c.core, "nodes", metav1.NamespaceNone, selector)
}

// allPolicies lists and watches all NetworkPolicies in full.
func (c clients) allPolicies() *cache.ListWatch {
	return cache.NewListWatchFromClient(c.networking, "networkpolicies", metav1.NamespaceAll, fields.Everything())
}

// addressed selects the pods that have addresses of their own. A Pod that completes leaves the selection, which the API
// server tells as a deletion. It knows spec.hostNetwork as a field since Kubernetes 1.28.
const addressed = "spec.hostNetwork=false,status.phase!=Succeeded,status.phase!=Failed"

// somePods lists and watches the Pods that have addresses of their own and meet one more requirement. The first list is
// asked for with the newest revision, for which the API server divides it into pages; else it would send the Pods of a
// whole cluster in one answer.
func (c clients) somePods(requirement string) *cache.ListWatch {
	lists := cache.NewListWatchFromClient(c.pods, "pods", metav1.NamespaceAll,
		fields.ParseSelectorOrDie(addressed+","+requirement))
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			if options.ResourceVersion == "0" {
				options.ResourceVersion = ""
			}
			return lists.ListWithContext(ctx, options)
		},
		WatchFuncWithContext: lists.WatchWithContext,
	}
}
