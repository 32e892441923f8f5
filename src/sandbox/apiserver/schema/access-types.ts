/**
 * Shapes of metav1, rbac, authentication and authorization:
 * the facts of the published Kubernetes 1.36 interface (names, protobuf numbers, merge keys) in the notation of
 * builtin-notation.ts. Descriptions are left out.
 */
import type { NotationFile } from './builtin-notation.ts';

export const META_TYPES: NotationFile = {
  prefix: 'meta',
  publishedAs: 'io.k8s.apimachinery.pkg.apis.meta.v1',
  text: `
Condition: 1 type! string, 2 status string, 3 observedGeneration int64, 4 lastTransitionTime! time, 5 reason! string,
  6 message! string
DeleteOptions: 1 gracePeriodSeconds int64, 2 preconditions Preconditions, 3 orphanDependents bool, 4 propagationPolicy
  string, 5 dryRun []string, 6 ignoreStoreReadErrorWithClusterBreakingPotential bool
FieldSelectorRequirement: 1 key! string, 2 operator! string, 3 values []string
LabelSelector =: 1 matchLabels {}string, 2 matchExpressions []LabelSelectorRequirement
LabelSelectorRequirement: 1 key! string, 2 operator! string, 3 values []string
ListMeta: 1 selfLink string, 2 resourceVersion string, 3 continue string, 4 remainingItemCount int64, 5 shardInfo
  ShardInfo
ManagedFieldsEntry: 1 manager string, 2 operation string, 3 apiVersion string, 4 time time, 6 fieldsType string, 7
  fieldsV1 any, 8 subresource string
ObjectMeta: 1 name string, 2 generateName string, 3 namespace string, 4 selfLink string, 5 uid string, 6
  resourceVersion string, 7 generation int64, 8 creationTimestamp time, 9 deletionTimestamp time, 10
  deletionGracePeriodSeconds int64, 11 labels {}string, 12 annotations {}string, 13 ownerReferences []OwnerReference
  @uid ^uid, 14 finalizers []string @@ ^, 17 managedFields []ManagedFieldsEntry
OwnerReference =: 5 apiVersion! string, 1 kind! string, 3 name! string, 4 uid! string, 6 controller bool, 7
  blockOwnerDeletion bool
Preconditions: 1 uid string, 2 resourceVersion string
ShardInfo: 1 selector! string
Status: 1 metadata ListMeta, 2 status string, 3 message string, 4 reason string, 5 details StatusDetails, 6 code int32
StatusCause: 1 reason string, 2 message string, 3 field string
StatusDetails: 1 name string, 2 group string, 3 kind string, 6 uid string, 4 causes []StatusCause, 5 retryAfterSeconds
  int32
`,
};

export const RBAC_TYPES: NotationFile = {
  prefix: 'rbac',
  publishedAs: 'io.k8s.api.rbac.v1',
  text: `
AggregationRule: 1 clusterRoleSelectors []meta.LabelSelector
ClusterRole: 1 metadata meta.ObjectMeta, 2 rules []PolicyRule, 3 aggregationRule AggregationRule
ClusterRoleBinding: 1 metadata meta.ObjectMeta, 2 subjects []Subject, 3 roleRef! RoleRef
PolicyRule: 1 verbs! []string, 2 apiGroups []string, 3 resources []string, 4 resourceNames []string, 5 nonResourceURLs
  []string
Role: 1 metadata meta.ObjectMeta, 2 rules []PolicyRule
RoleBinding: 1 metadata meta.ObjectMeta, 2 subjects []Subject, 3 roleRef! RoleRef
RoleRef =: 1 apiGroup string, 2 kind! string, 3 name! string
Subject =: 1 kind! string, 2 apiGroup string, 3 name! string, 4 namespace string
`,
};

export const AUTHENTICATION_TYPES: NotationFile = {
  prefix: 'authentication',
  publishedAs: 'io.k8s.api.authentication.v1',
  text: `
BoundObjectReference: 1 kind string, 2 apiVersion string, 3 name string, 4 uid string
SelfSubjectReview: 1 metadata meta.ObjectMeta, 2 status SelfSubjectReviewStatus
SelfSubjectReviewStatus: 1 userInfo UserInfo
TokenRequest: 1 metadata meta.ObjectMeta, 2 spec TokenRequestSpec, 3 status TokenRequestStatus
TokenRequestSpec: 1 audiences []string, 4 expirationSeconds int64, 3 boundObjectRef BoundObjectReference
TokenRequestStatus: 1 token string, 2 expirationTimestamp time
TokenReview: 1 metadata meta.ObjectMeta, 2 spec! TokenReviewSpec, 3 status TokenReviewStatus
TokenReviewSpec: 1 token! string, 2 audiences []string
TokenReviewStatus: 1 authenticated bool, 2 user UserInfo, 4 audiences []string, 3 error string
UserInfo: 1 username string, 2 uid string, 3 groups []string, 4 extra {}[]string
`,
};

export const AUTHORIZATION_TYPES: NotationFile = {
  prefix: 'authorization',
  publishedAs: 'io.k8s.api.authorization.v1',
  text: `
FieldSelectorAttributes: 1 rawSelector string, 2 requirements []meta.FieldSelectorRequirement
LabelSelectorAttributes: 1 rawSelector string, 2 requirements []meta.LabelSelectorRequirement
LocalSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec! SubjectAccessReviewSpec, 3 status
  SubjectAccessReviewStatus
NonResourceAttributes: 1 path string, 2 verb string
NonResourceRule: 1 verbs! []string, 2 nonResourceURLs []string
ResourceAttributes: 1 namespace string, 2 verb string, 3 group string, 4 version string, 5 resource string, 6
  subresource string, 7 name string, 8 fieldSelector FieldSelectorAttributes, 9 labelSelector LabelSelectorAttributes
ResourceRule: 1 verbs! []string, 2 apiGroups []string, 3 resources []string, 4 resourceNames []string
SelfSubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec! SelfSubjectAccessReviewSpec, 3 status
  SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes
SelfSubjectRulesReview: 1 metadata meta.ObjectMeta, 2 spec! SelfSubjectRulesReviewSpec, 3 status
  SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec: 1 namespace string
SubjectAccessReview: 1 metadata meta.ObjectMeta, 2 spec! SubjectAccessReviewSpec, 3 status SubjectAccessReviewStatus
SubjectAccessReviewSpec: 1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes, 3
  user string, 4 groups []string, 5 extra {}[]string, 6 uid string
SubjectAccessReviewStatus: 1 allowed! bool, 4 denied bool, 2 reason string, 3 evaluationError string
SubjectRulesReviewStatus: 1 resourceRules! []ResourceRule, 2 nonResourceRules! []NonResourceRule, 3 incomplete! bool,
  4 evaluationError string
`,
};
