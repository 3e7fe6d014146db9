{{/* A file's objects, in the release's namespace and with warren's label, as the kustomization sets them. */}}
{{- define "warren.file" -}}
{{- $root := .root -}}
{{- range $text := splitList "\n---\n" ($root.Files.Get (printf "files/%s.yaml" .name)) }}
{{ include "warren.object" (dict "root" $root "object" (fromYaml $text)) }}
{{- end }}
{{- end }}

{{- define "warren.object" -}}
{{- $namespaced := list "ServiceAccount" "Role" "DaemonSet" "ConfigMap" "PodMonitor" "PrometheusRule" -}}
{{- $meta := .object.metadata -}}
{{- if has .object.kind $namespaced }}{{ $_ := set $meta "namespace" .root.Release.Namespace }}{{ end -}}
{{- $_ := set $meta "labels" (merge (dict "app.kubernetes.io/name" "warren") (default (dict) $meta.labels)) -}}
{{- range default (list) .object.subjects }}{{ $_ := set . "namespace" $.root.Release.Namespace }}{{ end -}}
---
{{ toYaml .object }}
{{ end }}

{{- define "warren.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The daemon's flags, in JSON. */}}
{{- define "warren.config" -}}
{{- $config := dict
  "WARREN_CLUSTER_CIDRS" (join "," .Values.clusterCIDRs)
  "WARREN_NODE_CIDRS" (join "," .Values.nodeCIDRs)
  "WARREN_PLAIN_FROM" (join "," .Values.plainFrom)
  "WARREN_WIREGUARD" .Values.wireguard
  "WARREN_PORT" (int .Values.port | toString)
  "WARREN_MTU" (int .Values.mtu | toString)
  "WARREN_NETWORK_POLICY" (ternary "on" "off" .Values.networkPolicy) -}}
{{- merge $config .Values.flags | toJson -}}
{{- end }}

{{/* The name that kustomize gives the ConfigMap: it changes with the content, so another configuration is rolled out.
kustomize's hash has no name in it. */}}
{{- define "warren.configName" -}}
{{- $content := dict "kind" "ConfigMap" "name" "" "data" (include "warren.config" . | fromJson) | toJson -}}
{{- $hash := sha256sum $content | trunc 10 -}}
warren-{{ $hash | replace "0" "g" | replace "1" "h" | replace "3" "k" | replace "a" "m" | replace "e" "t" }}
{{- end }}
