{{- define "neo4j-backup.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "neo4j-backup.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "neo4j-backup.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "neo4j-backup.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "neo4j-backup.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "neo4j-backup.selectorLabels" -}}
app.kubernetes.io/name: {{ include "neo4j-backup.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "neo4j-backup.labels" -}}
{{ include "neo4j-backup.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What the controller does to objects in the namespaces it watches. No Secret, no wildcard. */}}
{{- define "neo4j-backup.rules" -}}
- apiGroups: [neo4jbackup.dev]
  resources: [neo4jbackups]
  # patch: only the finalizer of retention.onDelete: Delete
  verbs: [get, list, watch, patch]
- apiGroups: [neo4jbackup.dev]
  resources: [neo4jrestores]
  verbs: [get, list, watch]
- apiGroups: [neo4jbackup.dev]
  resources: [neo4jbackupruns]
  verbs: [get, list, watch, create, delete]
- apiGroups: [neo4jbackup.dev]
  resources: [neo4jbackups/status, neo4jbackupruns/status, neo4jrestores/status]
  verbs: [patch]
# needed to set an owner that blocks deletion, where the cluster checks that
- apiGroups: [neo4jbackup.dev]
  resources: [neo4jbackups/finalizers, neo4jbackupruns/finalizers, neo4jrestores/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
# is the namespace of a policy that goes away going away itself?
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end -}}
