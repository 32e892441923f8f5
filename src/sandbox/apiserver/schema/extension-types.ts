/**
 * Shapes of what extends a cluster (apiextensions, apiregistration, admissionregistration):
 * the facts of the published Kubernetes 1.36 interface (names, protobuf numbers, merge keys) in the notation of
 * builtin-notation.ts. Descriptions are left out.
 */
import type { NotationFile } from './builtin-notation.ts';

export const APIEXTENSIONS_TYPES: NotationFile = {
  prefix: 'apiextensions',
  publishedAs: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  text: `
CustomResourceColumnDefinition: 1 name! string, 2 type! string, 3 format string, 4 description string, 5 priority
  int32, 6 jsonPath! string
CustomResourceConversion: 1 strategy! string, 2 webhook WebhookConversion
CustomResourceDefinition: 1 metadata meta.ObjectMeta, 2 spec! CustomResourceDefinitionSpec, 3 status
  CustomResourceDefinitionStatus
CustomResourceDefinitionCondition: 1 type! string, 2 status string, 3 lastTransitionTime time, 4 reason string, 5
  message string, 6 observedGeneration int64
CustomResourceDefinitionNames: 1 plural! string, 2 singular string, 3 shortNames []string, 4 kind! string, 5 listKind
  string, 6 categories []string
CustomResourceDefinitionSpec: 1 group! string, 3 names! CustomResourceDefinitionNames, 4 scope! string, 7 versions!
  []CustomResourceDefinitionVersion, 9 conversion CustomResourceConversion, 10 preserveUnknownFields bool
CustomResourceDefinitionStatus: 1 conditions []CustomResourceDefinitionCondition @type, 2 acceptedNames
  CustomResourceDefinitionNames, 3 storedVersions []string, 4 observedGeneration int64
CustomResourceDefinitionVersion: 1 name! string, 2 served! bool, 3 storage! bool, 7 deprecated bool, 8
  deprecationWarning string, 4 schema CustomResourceValidation, 5 subresources CustomResourceSubresources, 6
  additionalPrinterColumns []CustomResourceColumnDefinition, 9 selectableFields []SelectableField
CustomResourceSubresourceScale: 1 specReplicasPath! string, 2 statusReplicasPath! string, 3 labelSelectorPath string
CustomResourceSubresourceStatus:
CustomResourceSubresources: 1 status CustomResourceSubresourceStatus, 2 scale CustomResourceSubresourceScale
CustomResourceValidation: 1 openAPIV3Schema JSONSchemaProps
ExternalDocumentation: 1 description string, 2 url string
JSONSchemaProps: 1 id string, 2 $schema string, 3 $ref string, 4 description string, 5 type string, 6 format string, 7
  title string, 8 default json, 9 maximum double, 10 exclusiveMaximum bool, 11 minimum double, 12 exclusiveMinimum
  bool, 13 maxLength int64, 14 minLength int64, 15 pattern string, 16 maxItems int64, 17 minItems int64, 18
  uniqueItems bool, 19 multipleOf double, 20 enum []json, 21 maxProperties int64, 22 minProperties int64, 23 required
  []string, 24 items JSONSchemaProps, 25 allOf []JSONSchemaProps, 26 oneOf []JSONSchemaProps, 27 anyOf
  []JSONSchemaProps, 28 not JSONSchemaProps, 29 properties {}JSONSchemaProps, 30 additionalProperties
  any, 31 patternProperties {}JSONSchemaProps, 32 dependencies {}any, 33
  additionalItems any, 34 definitions {}JSONSchemaProps, 35 externalDocs ExternalDocumentation, 36
  example json, 37 nullable bool, 38 x-kubernetes-preserve-unknown-fields bool, 39 x-kubernetes-embedded-resource
  bool, 40 x-kubernetes-int-or-string bool, 41 x-kubernetes-list-map-keys []string, 42 x-kubernetes-list-type string,
  43 x-kubernetes-map-type string, 44 x-kubernetes-validations []ValidationRule @rule ^rule
SelectableField: 1 jsonPath! string
ServiceReference: 1 namespace! string, 2 name! string, 3 path string, 4 port int32
ValidationRule: 1 rule! string, 2 message string, 3 messageExpression string, 4 reason string, 5 fieldPath string, 6
  optionalOldSelf bool
WebhookClientConfig: 3 url string, 1 service ServiceReference, 2 caBundle bytes
WebhookConversion: 2 clientConfig WebhookClientConfig, 3 conversionReviewVersions! []string
`,
};

export const APIREGISTRATION_TYPES: NotationFile = {
  prefix: 'apiregistration',
  publishedAs: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
  text: `
APIService: 1 metadata meta.ObjectMeta, 2 spec APIServiceSpec, 3 status APIServiceStatus
APIServiceCondition: 1 type! string, 2 status string, 3 lastTransitionTime time, 4 reason string, 5 message string
APIServiceSpec: 1 service ServiceReference, 2 group string, 3 version string, 4 insecureSkipTLSVerify bool, 5 caBundle
  bytes, 7 groupPriorityMinimum! int32, 8 versionPriority! int32
APIServiceStatus: 1 conditions []APIServiceCondition @type ^type
ServiceReference: 1 namespace string, 2 name string, 3 port int32
`,
};

export const ADMISSION_TYPES: NotationFile = {
  prefix: 'admissionregistration',
  publishedAs: 'io.k8s.api.admissionregistration.v1',
  text: `
AuditAnnotation: 1 key! string, 2 valueExpression! string
ExpressionWarning: 2 fieldRef! string, 3 warning! string
MatchCondition: 1 name! string, 2 expression! string
MatchResources =: 1 namespaceSelector meta.LabelSelector, 2 objectSelector meta.LabelSelector, 3 resourceRules
  []NamedRuleWithOperations, 4 excludeResourceRules []NamedRuleWithOperations, 7 matchPolicy string
MutatingWebhook: 1 name! string, 2 clientConfig! WebhookClientConfig, 3 rules []RuleWithOperations, 4 failurePolicy
  string, 9 matchPolicy string, 5 namespaceSelector meta.LabelSelector, 11 objectSelector meta.LabelSelector, 6
  sideEffects! string, 7 timeoutSeconds int32, 8 admissionReviewVersions! []string, 10 reinvocationPolicy string, 12
  matchConditions []MatchCondition @name ^name
MutatingWebhookConfiguration: 1 metadata meta.ObjectMeta, 2 webhooks []MutatingWebhook @name ^name
NamedRuleWithOperations =: 1 resourceNames []string, ...2 RuleWithOperations
ParamKind =: 1 apiVersion string, 2 kind string
ParamRef =: 1 name string, 2 namespace string, 3 selector meta.LabelSelector, 4 parameterNotFoundAction string
Rule: 1 apiGroups []string, 2 apiVersions []string, 3 resources []string, 4 scope string
RuleWithOperations: 1 operations []string, ...2 Rule
ServiceReference: 1 namespace! string, 2 name! string, 3 path string, 4 port int32
TypeChecking: 1 expressionWarnings []ExpressionWarning
ValidatingAdmissionPolicy: 1 metadata meta.ObjectMeta, 2 spec ValidatingAdmissionPolicySpec, 3 status
  ValidatingAdmissionPolicyStatus
ValidatingAdmissionPolicyBinding: 1 metadata meta.ObjectMeta, 2 spec! ValidatingAdmissionPolicyBindingSpec
ValidatingAdmissionPolicyBindingSpec: 1 policyName! string, 2 paramRef ParamRef, 3 matchResources MatchResources, 4
  validationActions! []string @@
ValidatingAdmissionPolicySpec: 1 paramKind ParamKind, 2 matchConstraints MatchResources, 3 validations []Validation, 4
  failurePolicy string, 5 auditAnnotations []AuditAnnotation, 6 matchConditions []MatchCondition @name ^name, 7
  variables []Variable @name ^name
ValidatingAdmissionPolicyStatus: 1 observedGeneration int64, 2 typeChecking TypeChecking, 3 conditions
  []meta.Condition @type
ValidatingWebhook: 1 name! string, 2 clientConfig! WebhookClientConfig, 3 rules []RuleWithOperations, 4 failurePolicy
  string, 9 matchPolicy string, 5 namespaceSelector meta.LabelSelector, 10 objectSelector meta.LabelSelector, 6
  sideEffects! string, 7 timeoutSeconds int32, 8 admissionReviewVersions! []string, 11 matchConditions
  []MatchCondition @name ^name
ValidatingWebhookConfiguration: 1 metadata meta.ObjectMeta, 2 webhooks []ValidatingWebhook @name ^name
Validation: 1 expression! string, 2 message string, 3 reason string, 4 messageExpression string
Variable =: 1 name! string, 2 expression! string
WebhookClientConfig: 3 url string, 1 service ServiceReference, 2 caBundle bytes
`,
};
