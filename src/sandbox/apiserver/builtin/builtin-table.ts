/**
 * The built-in resource types that this server offers, one line each:
 *
 *   plural kind shape scope [short names] [flags]
 *
 * scope is `ns` or `all`; flags: `status`, `scale`, `gen` (metadata.generation follows spec), `create` (asked, never stored),
 * `=singular`, `c:category`, `+subresource`.
 */
export interface GroupTable {
  readonly group: string;
  readonly version: string;
  readonly lines: string;
}

export const BUILTIN_TABLE: readonly GroupTable[] = [
  {
    group: '',
    version: 'v1',
    lines: `
pods Pod core.Pod ns po status gen c:all
nodes Node core.Node all no status
namespaces Namespace core.Namespace all ns status
services Service core.Service ns svc status c:all
configmaps ConfigMap core.ConfigMap ns cm
secrets Secret core.Secret ns
serviceaccounts ServiceAccount core.ServiceAccount ns sa
events Event core.Event ns ev
resourcequotas ResourceQuota core.ResourceQuota ns quota status
limitranges LimitRange core.LimitRange ns limits
persistentvolumeclaims PersistentVolumeClaim core.PersistentVolumeClaim ns pvc status
persistentvolumes PersistentVolume core.PersistentVolume all pv status
endpoints Endpoints core.Endpoints ns ep =endpoints
podtemplates PodTemplate core.PodTemplate ns
replicationcontrollers ReplicationController core.ReplicationController ns rc status gen c:all`,
  },
  {
    group: 'batch',
    version: 'v1',
    lines: `
jobs Job batch.Job ns status gen c:all
cronjobs CronJob batch.CronJob ns cj status gen c:all`,
  },
  {
    group: 'apps',
    version: 'v1',
    lines: `
deployments Deployment apps.Deployment ns deploy status scale gen c:all
replicasets ReplicaSet apps.ReplicaSet ns rs status scale gen c:all
statefulsets StatefulSet apps.StatefulSet ns sts status scale gen c:all
daemonsets DaemonSet apps.DaemonSet ns ds status gen c:all
controllerrevisions ControllerRevision apps.ControllerRevision ns`,
  },
  {
    group: 'autoscaling',
    version: 'v1',
    lines: `
horizontalpodautoscalers HorizontalPodAutoscaler autoscaling.HorizontalPodAutoscaler ns hpa status c:all`,
  },
  { group: 'coordination.k8s.io', version: 'v1', lines: 'leases Lease coordination.Lease ns' },
  {
    group: 'scheduling.k8s.io',
    version: 'v1',
    lines: 'priorityclasses PriorityClass scheduling.PriorityClass all pc gen',
  },
  {
    group: 'rbac.authorization.k8s.io',
    version: 'v1',
    lines: `
roles Role rbac.Role ns
rolebindings RoleBinding rbac.RoleBinding ns
clusterroles ClusterRole rbac.ClusterRole all
clusterrolebindings ClusterRoleBinding rbac.ClusterRoleBinding all`,
  },
  {
    group: 'networking.k8s.io',
    version: 'v1',
    lines: `
networkpolicies NetworkPolicy networking.NetworkPolicy ns netpol gen
ingresses Ingress networking.Ingress ns ing status gen
ingressclasses IngressClass networking.IngressClass all gen`,
  },
  {
    group: 'policy',
    version: 'v1',
    lines: 'poddisruptionbudgets PodDisruptionBudget policy.PodDisruptionBudget ns pdb status gen',
  },
  { group: 'storage.k8s.io', version: 'v1', lines: 'storageclasses StorageClass storage.StorageClass all sc' },
  { group: 'discovery.k8s.io', version: 'v1', lines: 'endpointslices EndpointSlice discovery.EndpointSlice ns gen' },
  { group: 'events.k8s.io', version: 'v1', lines: 'events Event events.Event ns ev' },
  {
    group: 'resource.k8s.io',
    version: 'v1',
    lines: `
resourceslices ResourceSlice resource.ResourceSlice all gen
resourceclaims ResourceClaim resource.ResourceClaim ns status
resourceclaimtemplates ResourceClaimTemplate resource.ResourceClaimTemplate ns
deviceclasses DeviceClass resource.DeviceClass all gen`,
  },
  {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    lines: `
validatingwebhookconfigurations ValidatingWebhookConfiguration admissionregistration.ValidatingWebhookConfiguration all gen c:api-extensions
mutatingwebhookconfigurations MutatingWebhookConfiguration admissionregistration.MutatingWebhookConfiguration all gen c:api-extensions
validatingadmissionpolicies ValidatingAdmissionPolicy admissionregistration.ValidatingAdmissionPolicy all status gen c:api-extensions
validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding admissionregistration.ValidatingAdmissionPolicyBinding all gen c:api-extensions`,
  },
  {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    lines: `
customresourcedefinitions CustomResourceDefinition apiextensions.CustomResourceDefinition all crd crds status gen c:api-extensions`,
  },
  {
    group: 'apiregistration.k8s.io',
    version: 'v1',
    lines: 'apiservices APIService apiregistration.APIService all status c:api-extensions',
  },
  {
    group: 'authentication.k8s.io',
    version: 'v1',
    lines: `
tokenreviews TokenReview authentication.TokenReview all create
selfsubjectreviews SelfSubjectReview authentication.SelfSubjectReview all create`,
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    lines: `
subjectaccessreviews SubjectAccessReview authorization.SubjectAccessReview all create
selfsubjectaccessreviews SelfSubjectAccessReview authorization.SelfSubjectAccessReview all create
localsubjectaccessreviews LocalSubjectAccessReview authorization.LocalSubjectAccessReview ns create
selfsubjectrulesreviews SelfSubjectRulesReview authorization.SelfSubjectRulesReview all create`,
  },
];
