{{/* One agent per cluster: its policy is cluster-wide, so its names are fixed. */}}
{{- define "lumbung.selector" -}}
app.kubernetes.io/name: lumbung-agent
app.kubernetes.io/component: agent
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

{{/* host:port with IPv6 in brackets; call with (list host port). */}}
{{- define "lumbung.hostPort" -}}
{{- $host := index . 0 -}}
{{- if contains ":" $host -}}[{{ $host }}]:{{ index . 1 }}{{- else -}}{{ $host }}:{{ index . 1 }}{{- end -}}
{{- end }}

{{/* Ports that the hub is reached at, as a list in JSON. */}}
{{- define "lumbung.hubPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.hub.address -}}
{{- $ports = append $ports (splitList ":" . | last | int) -}}
{{- end -}}
{{- $ports = append $ports (.Values.hub.enrolmentAddress | default "x:7444" | splitList ":" | last | int) -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{/* What the schema cannot say well. */}}
{{- define "lumbung.check" -}}
{{- if not (toString .Values.member) -}}
{{- fail "member: must be the name that this cluster was invited by; lumbung member invite, run on the hub, prints the whole command" -}}
{{- end -}}
{{- if not .Values.hub.address -}}
{{- fail "hub.address: must be host:port of the hub; lumbung member invite, run on the hub, prints the whole command" -}}
{{- end -}}
{{- if and .Values.token .Values.existingTokenSecret.name -}}
{{- fail "existingTokenSecret.name: must not be set together with token" -}}
{{- end -}}
{{- if and (or .Values.token .Values.existingTokenSecret.name) (not .Values.hub.caSha256) -}}
{{- fail "hub.caSha256: must be the fingerprint of the hub from the invitation, since a token is given" -}}
{{- end -}}
{{- if and .Values.lendingPolicy.spec (not .Values.lendingPolicy.create) -}}
{{- fail "lendingPolicy.spec: is given, but lendingPolicy.create is false" -}}
{{- end -}}
{{- end }}

{{- define "lumbung.agentUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:lumbung-agent
{{- end }}
