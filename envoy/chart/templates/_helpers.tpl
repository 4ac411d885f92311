{{- define "keeptrusts.name" -}}
{{- if contains "keeptrusts" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-keeptrusts" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "keeptrusts.selector" -}}
app.kubernetes.io/name: keeptrusts
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keeptrusts.labels" -}}
{{ include "keeptrusts.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
