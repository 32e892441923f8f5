/**
 * Names of the built-in resource types that rooms touch, as URLs spell them. Our own kinds live in api/, not here.
 * Only versions served by every supported cluster (1.30 and later; resource.k8s.io/v1 from 1.34) are listed.
 */
import type { ResourceType } from './object.ts';

function core(plural: string, kind: string, namespaced = true): ResourceType {
  return Object.freeze({ group: '', version: 'v1', plural, kind, namespaced });
}

function named(group: string, plural: string, kind: string, namespaced = true): ResourceType {
  return Object.freeze({ group, version: 'v1', plural, kind, namespaced });
}

export const pods = core('pods', 'Pod');
export const nodes = core('nodes', 'Node', false);
export const namespaces = core('namespaces', 'Namespace', false);
export const events = core('events', 'Event');
export const secrets = core('secrets', 'Secret');
export const configMaps = core('configmaps', 'ConfigMap');
export const services = core('services', 'Service');
export const endpoints = core('endpoints', 'Endpoints');
export const serviceAccounts = core('serviceaccounts', 'ServiceAccount');
export const persistentVolumeClaims = core('persistentvolumeclaims', 'PersistentVolumeClaim');
export const jobs = named('batch', 'jobs', 'Job');
export const deployments = named('apps', 'deployments', 'Deployment');
export const daemonSets = named('apps', 'daemonsets', 'DaemonSet');
export const leases = named('coordination.k8s.io', 'leases', 'Lease');
export const endpointSlices = named('discovery.k8s.io', 'endpointslices', 'EndpointSlice');
export const networkPolicies = named('networking.k8s.io', 'networkpolicies', 'NetworkPolicy');
export const priorityClasses = named('scheduling.k8s.io', 'priorityclasses', 'PriorityClass', false);
export const roles = named('rbac.authorization.k8s.io', 'roles', 'Role');
export const roleBindings = named('rbac.authorization.k8s.io', 'rolebindings', 'RoleBinding');
export const clusterRoles = named('rbac.authorization.k8s.io', 'clusterroles', 'ClusterRole', false);
export const clusterRoleBindings = named(
  'rbac.authorization.k8s.io',
  'clusterrolebindings',
  'ClusterRoleBinding',
  false,
);
export const resourceSlices = named('resource.k8s.io', 'resourceslices', 'ResourceSlice', false);
export const resourceClaims = named('resource.k8s.io', 'resourceclaims', 'ResourceClaim');
export const deviceClasses = named('resource.k8s.io', 'deviceclasses', 'DeviceClass', false);
export const runtimeClasses = named('node.k8s.io', 'runtimeclasses', 'RuntimeClass', false);
export const customResourceDefinitions = named(
  'apiextensions.k8s.io',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);
export const apiServices = named('apiregistration.k8s.io', 'apiservices', 'APIService', false);
export const tokenReviews = named('authentication.k8s.io', 'tokenreviews', 'TokenReview', false);
export const subjectAccessReviews = named('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview', false);
export const selfSubjectAccessReviews = named(
  'authorization.k8s.io',
  'selfsubjectaccessreviews',
  'SelfSubjectAccessReview',
  false,
);
export const validatingAdmissionPolicies = named(
  'admissionregistration.k8s.io',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
  false,
);
export const validatingAdmissionPolicyBindings = named(
  'admissionregistration.k8s.io',
  'validatingadmissionpolicybindings',
  'ValidatingAdmissionPolicyBinding',
  false,
);
export const resourceQuotas = core('resourcequotas', 'ResourceQuota');
export const limitRanges = core('limitranges', 'LimitRange');

/** `v1` or `group/v1`, as in an object's `apiVersion`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}
