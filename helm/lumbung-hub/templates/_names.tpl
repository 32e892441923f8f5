{{/* One hub per cluster: its kinds are cluster-wide, so its names are fixed. */}}
{{- define "lumbung.selector" -}}
app.kubernetes.io/name: lumbung-hub
app.kubernetes.io/component: hub
{{- end }}

{{- define "lumbung.labels" -}}
{{ include "lumbung.selector" . }}
app.kubernetes.io/part-of: lumbung
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "lumbung.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* As a list in JSON: what the certificate must name. */}}
{{- define "lumbung.serverNames" -}}
{{- append .Values.federation.serverNames (printf "lumbung-hub.%s.svc" .Release.Namespace) | uniq | toJson -}}
{{- end }}

{{/* host:port with IPv6 in brackets; call with (list host port). */}}
{{- define "lumbung.hostPort" -}}
{{- $host := index . 0 -}}
{{- if contains ":" $host -}}[{{ $host }}]:{{ index . 1 }}{{- else -}}{{ $host }}:{{ index . 1 }}{{- end -}}
{{- end }}

{{- define "lumbung.advertised" -}}
{{- $first := include "lumbung.serverNames" . | fromJsonArray | first -}}
{{- .Values.federation.advertisedAddress | default (include "lumbung.hostPort" (list $first (int .Values.federation.service.port))) -}}
{{- end }}

{{- define "lumbung.advertisedEnrolment" -}}
{{- $first := include "lumbung.serverNames" . | fromJsonArray | first -}}
{{- .Values.federation.advertisedEnrolmentAddress | default (include "lumbung.hostPort" (list $first (int .Values.federation.service.enrolmentPort))) -}}
{{- end }}
