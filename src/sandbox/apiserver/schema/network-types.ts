/**
 * Shapes of networking, discovery, storage, events and resource (devices):
 * the facts of the published Kubernetes 1.36 interface (names, protobuf numbers, merge keys) in the notation of
 * builtin-notation.ts. Descriptions are left out.
 */
import type { NotationFile } from './builtin-notation.ts';

export const NETWORKING_TYPES: NotationFile = {
  prefix: 'networking',
  publishedAs: 'io.k8s.api.networking.v1',
  text: `
HTTPIngressPath: 1 path string, 3 pathType! string, 2 backend! IngressBackend
HTTPIngressRuleValue: 1 paths! []HTTPIngressPath
IPBlock: 1 cidr! string, 2 except []string
Ingress: 1 metadata meta.ObjectMeta, 2 spec IngressSpec, 3 status IngressStatus
IngressBackend: 4 service IngressServiceBackend, 3 resource core.TypedLocalObjectReference
IngressClass: 1 metadata meta.ObjectMeta, 2 spec IngressClassSpec
IngressClassParametersReference: 1 apiGroup string, 2 kind! string, 3 name! string, 4 scope string, 5 namespace string
IngressClassSpec: 1 controller string, 2 parameters IngressClassParametersReference
IngressLoadBalancerIngress: 1 ip string, 2 hostname string, 4 ports []IngressPortStatus
IngressLoadBalancerStatus: 1 ingress []IngressLoadBalancerIngress
IngressPortStatus: 1 port! int32, 2 protocol! string, 3 error string
IngressRule: 1 host string, ...2 IngressRuleValue
IngressRuleValue: 1 http HTTPIngressRuleValue
IngressServiceBackend: 1 name! string, 2 port ServiceBackendPort
IngressSpec: 4 ingressClassName string, 1 defaultBackend IngressBackend, 2 tls []IngressTLS, 3 rules []IngressRule
IngressStatus: 1 loadBalancer IngressLoadBalancerStatus
IngressTLS: 1 hosts []string, 2 secretName string
NetworkPolicy: 1 metadata meta.ObjectMeta, 2 spec NetworkPolicySpec
NetworkPolicyEgressRule: 1 ports []NetworkPolicyPort, 2 to []NetworkPolicyPeer
NetworkPolicyIngressRule: 1 ports []NetworkPolicyPort, 2 from []NetworkPolicyPeer
NetworkPolicyPeer: 1 podSelector meta.LabelSelector, 2 namespaceSelector meta.LabelSelector, 3 ipBlock IPBlock
NetworkPolicyPort: 1 protocol string, 2 port intstr, 3 endPort int32
NetworkPolicySpec: 1 podSelector meta.LabelSelector, 2 ingress []NetworkPolicyIngressRule, 3 egress
  []NetworkPolicyEgressRule, 4 policyTypes []string
ServiceBackendPort =: 1 name string, 2 number int32
`,
};

export const DISCOVERY_TYPES: NotationFile = {
  prefix: 'discovery',
  publishedAs: 'io.k8s.api.discovery.v1',
  text: `
Endpoint: 1 addresses! []string @@, 2 conditions EndpointConditions, 3 hostname string, 4 targetRef
  core.ObjectReference, 5 deprecatedTopology {}string, 6 nodeName string, 7 zone string, 8 hints EndpointHints
EndpointConditions: 1 ready bool, 2 serving bool, 3 terminating bool
EndpointHints: 1 forZones []ForZone, 2 forNodes []ForNode
EndpointPort =: 1 name string, 2 protocol string, 3 port int32, 4 appProtocol string
EndpointSlice: 1 metadata meta.ObjectMeta, 4 addressType! string, 2 endpoints []Endpoint, 3 ports []EndpointPort
ForNode: 1 name! string
ForZone: 1 name! string
`,
};

export const STORAGE_TYPES: NotationFile = {
  prefix: 'storage',
  publishedAs: 'io.k8s.api.storage.v1',
  text: `
StorageClass: 1 metadata meta.ObjectMeta, 2 provisioner! string, 3 parameters {}string, 4 reclaimPolicy string, 5
  mountOptions []string, 6 allowVolumeExpansion bool, 7 volumeBindingMode string, 8 allowedTopologies
  []core.TopologySelectorTerm
`,
};

export const EVENTS_TYPES: NotationFile = {
  prefix: 'events',
  publishedAs: 'io.k8s.api.events.v1',
  text: `
Event: 1 metadata meta.ObjectMeta, 2 eventTime! microtime, 3 series EventSeries, 4 reportingController string, 5
  reportingInstance string, 6 action string, 7 reason string, 8 regarding core.ObjectReference, 9 related
  core.ObjectReference, 10 note string, 11 type string, 12 deprecatedSource core.EventSource, 13
  deprecatedFirstTimestamp time, 14 deprecatedLastTimestamp time, 15 deprecatedCount int32
EventSeries: 1 count! int32, 2 lastObservedTime! microtime
`,
};

export const RESOURCE_TYPES: NotationFile = {
  prefix: 'resource',
  publishedAs: 'io.k8s.api.resource.v1',
  text: `
AllocatedDeviceStatus: 1 driver! string, 2 pool! string, 3 device! string, 7 shareID string, 4 conditions
  []meta.Condition @type, 5 data any, 6 networkData NetworkDeviceData
AllocationResult: 1 devices DeviceAllocationResult, 3 nodeSelector core.NodeSelector, 5 allocationTimestamp time
CELDeviceSelector: 1 expression! string
CapacityRequestPolicy: 1 default quantity, 3 validValues []quantity, 4 validRange CapacityRequestPolicyRange
CapacityRequestPolicyRange: 1 min! quantity, 2 max quantity, 3 step quantity
CapacityRequirements: 1 requests {}quantity
Counter: 1 value! quantity
CounterSet: 1 name! string, 2 counters! {}Counter
Device: 1 name! string, 2 attributes {}DeviceAttribute, 3 capacity {}DeviceCapacity, 4 consumesCounters
  []DeviceCounterConsumption, 5 nodeName string, 6 nodeSelector core.NodeSelector, 7 allNodes bool, 8 taints
  []DeviceTaint, 9 bindsToNode bool, 10 bindingConditions []string, 11 bindingFailureConditions []string, 12
  allowMultipleAllocations bool, 13 nodeAllocatableResourceMappings {}NodeAllocatableResourceMapping
DeviceAllocationConfiguration: 1 source! string, 2 requests []string, ...3 DeviceConfiguration
DeviceAllocationResult: 1 results []DeviceRequestAllocationResult, 2 config []DeviceAllocationConfiguration
DeviceAttribute: 2 int int64, 3 bool bool, 4 string string, 5 version string, 6 ints []int64, 7 bools []bool, 8
  strings []string, 9 versions []string
DeviceCapacity: 1 value! quantity, 2 requestPolicy CapacityRequestPolicy
DeviceClaim: 1 requests []DeviceRequest, 2 constraints []DeviceConstraint, 3 config []DeviceClaimConfiguration
DeviceClaimConfiguration: 1 requests []string, ...2 DeviceConfiguration
DeviceClass: 1 metadata meta.ObjectMeta, 2 spec! DeviceClassSpec
DeviceClassConfiguration: ...1 DeviceConfiguration
DeviceClassSpec: 1 selectors []DeviceSelector, 2 config []DeviceClassConfiguration, 4 extendedResourceName string
DeviceConfiguration: 1 opaque OpaqueDeviceConfiguration
DeviceConstraint: 1 requests []string, 2 matchAttribute string, 3 distinctAttribute string
DeviceCounterConsumption: 1 counterSet! string, 2 counters! {}Counter
DeviceRequest: 1 name! string, 2 exactly ExactDeviceRequest, 3 firstAvailable []DeviceSubRequest
DeviceRequestAllocationResult: 1 request! string, 2 driver! string, 3 pool! string, 4 device! string, 5 adminAccess
  bool, 6 tolerations []DeviceToleration, 7 bindingConditions []string, 8 bindingFailureConditions []string, 9 shareID
  string, 10 consumedCapacity {}quantity
DeviceSelector: 1 cel CELDeviceSelector
DeviceSubRequest: 1 name! string, 2 deviceClassName! string, 3 selectors []DeviceSelector, 4 allocationMode string, 5
  count int64, 6 tolerations []DeviceToleration, 7 capacity CapacityRequirements
DeviceTaint: 1 key! string, 2 value string, 3 effect! string, 4 timeAdded time
DeviceToleration: 1 key string, 2 operator string, 3 value string, 4 effect string, 5 tolerationSeconds int64
ExactDeviceRequest: 1 deviceClassName! string, 2 selectors []DeviceSelector, 3 allocationMode string, 4 count int64, 5
  adminAccess bool, 6 tolerations []DeviceToleration, 7 capacity CapacityRequirements
NetworkDeviceData: 1 interfaceName string, 2 ips []string, 3 hardwareAddress string
NodeAllocatableResourceMapping: 1 capacityKey string, 2 allocationMultiplier quantity
OpaqueDeviceConfiguration: 1 driver! string, 2 parameters! any
ResourceClaim: 1 metadata meta.ObjectMeta, 2 spec! ResourceClaimSpec, 3 status ResourceClaimStatus
ResourceClaimConsumerReference: 1 apiGroup string, 3 resource! string, 4 name! string, 5 uid! string
ResourceClaimSpec: 1 devices DeviceClaim
ResourceClaimStatus: 1 allocation AllocationResult, 2 reservedFor []ResourceClaimConsumerReference @uid ^uid, 4
  devices []AllocatedDeviceStatus @driver+device+pool+shareID
ResourceClaimTemplate: 1 metadata meta.ObjectMeta, 2 spec! ResourceClaimTemplateSpec
ResourceClaimTemplateSpec: 1 metadata meta.ObjectMeta, 2 spec! ResourceClaimSpec
ResourcePool: 1 name! string, 2 generation! int64, 3 resourceSliceCount! int64
ResourceSlice: 1 metadata meta.ObjectMeta, 2 spec! ResourceSliceSpec
ResourceSliceSpec: 1 driver! string, 2 pool! ResourcePool, 3 nodeName string, 4 nodeSelector core.NodeSelector, 5
  allNodes bool, 6 devices []Device, 7 perDeviceNodeSelection bool, 8 sharedCounters []CounterSet
`,
};
