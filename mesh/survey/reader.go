package survey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// Config says which cluster to read, and how.
type Config struct {
	REST *rest.Config
	// Namespace is that of warren's DaemonSet.
	Namespace string
	// Timeout bounds each list and each node's answer.
	Timeout time.Duration
}

// Reader reads one cluster. Make one with New. Its methods may be called concurrently.
type Reader struct {
	cfg    Config
	groups map[schema.GroupVersion]*rest.RESTClient
	// params writes what is asked of an exec, which metav1's codec does not know and leaves out without an error.
	params runtime.ParameterCodec
}

// selector is of everything that belongs to warren; the manifests set it.
const selector = "app.kubernetes.io/name=warren"

// pageSize is how many objects a list asks for at once: a page of Nodes is some 3 MB.
const pageSize = 200

// New returns a Reader. It sends no request.
func New(cfg Config) (*Reader, error) {
	config := rest.CopyConfig(cfg.REST)
	config.QPS, config.Burst = -1, -1 // a list comes in pages, one after the other: that is slow enough
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	groups := map[schema.GroupVersion]string{
		corev1.SchemeGroupVersion: "/api", appsv1.SchemeGroupVersion: "/apis", admissionv1.SchemeGroupVersion: "/apis",
		networkingv1.SchemeGroupVersion: "/apis", discoveryv1.SchemeGroupVersion: "/apis",
	}
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, admissionv1.AddToScheme, networkingv1.AddToScheme,
		discoveryv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	r := &Reader{
		cfg: cfg, groups: map[schema.GroupVersion]*rest.RESTClient{}, params: runtime.NewParameterCodec(scheme),
	}
	for group, path := range groups {
		c := rest.CopyConfig(config)
		c.APIPath, c.GroupVersion = path, &group
		c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
		c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		c.ContentType = runtime.ContentTypeProtobuf
		if r.groups[group], err = rest.RESTClientForConfigAndClient(c, client); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// ErrForbidden is wrapped by errors about what the caller has no right to read.
var ErrForbidden = errors.New("no right to read it")

// list reads a list page by page. into is decoded anew for each page, so that only one is in memory.
func list[T runtime.Object](
	ctx context.Context, r *Reader, group schema.GroupVersion, resource, namespace, selector string,
	fresh func() T, each func(T) (next string),
) error {
	options := metav1.ListOptions{Limit: pageSize, LabelSelector: selector}
	for {
		page := fresh()
		requested, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
		err := r.groups[group].Get().NamespaceIfScoped(namespace, namespace != "").Resource(resource).
			VersionedParams(&options, metav1.ParameterCodec).Do(requested).Into(page)
		cancel()
		if err != nil {
			return explained("list "+resource, err)
		}
		if options.Continue = each(page); options.Continue == "" {
			return nil
		}
	}
}

func explained(what string, err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%s: %w", what, ErrForbidden)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Version returns the API server's version, "v1.37.2".
func (r *Reader) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	text, err := r.groups[corev1.SchemeGroupVersion].Get().AbsPath("/version").
		SetHeader("Accept", runtime.ContentTypeJSON).Do(ctx).Raw()
	if err != nil {
		return "", explained("read the API server's version", err)
	}
	var info version.Info
	if err := json.Unmarshal(text, &info); err != nil {
		return "", fmt.Errorf("read the API server's version: %w", err)
	}
	return info.GitVersion, nil
}
