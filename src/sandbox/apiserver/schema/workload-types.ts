/**
 * Shapes of batch, apps, autoscaling, policy, scheduling and coordination:
 * the facts of the published Kubernetes 1.36 interface (names, protobuf numbers, merge keys) in the notation of
 * builtin-notation.ts. Descriptions are left out.
 */
import type { NotationFile } from './builtin-notation.ts';

export const BATCH_TYPES: NotationFile = {
  prefix: 'batch',
  publishedAs: 'io.k8s.api.batch.v1',
  text: `
CronJob: 1 metadata meta.ObjectMeta, 2 spec! CronJobSpec, 3 status CronJobStatus
CronJobSpec: 1 schedule! string, 8 timeZone string, 2 startingDeadlineSeconds int64, 3 concurrencyPolicy string, 4
  suspend bool, 5 jobTemplate! JobTemplateSpec, 6 successfulJobsHistoryLimit int32, 7 failedJobsHistoryLimit int32
CronJobStatus: 1 active []core.ObjectReference, 4 lastScheduleTime time, 5 lastSuccessfulTime time
Job: 1 metadata meta.ObjectMeta, 2 spec JobSpec, 3 status JobStatus
JobCondition: 1 type! string, 2 status string, 3 lastProbeTime time, 4 lastTransitionTime time, 5 reason string, 6
  message string
JobSpec: 1 parallelism int32, 2 completions int32, 3 activeDeadlineSeconds int64, 11 podFailurePolicy
  PodFailurePolicy, 16 successPolicy SuccessPolicy, 7 backoffLimit int32, 12 backoffLimitPerIndex int32, 13
  maxFailedIndexes int32, 4 selector meta.LabelSelector, 5 manualSelector bool, 6 template! core.PodTemplateSpec, 8
  ttlSecondsAfterFinished int32, 9 completionMode string, 10 suspend bool, 14 podReplacementPolicy string, 15
  managedBy string
JobStatus: 1 conditions []JobCondition ^type, 2 startTime time, 3 completionTime time, 4 active int32, 5 succeeded
  int32, 6 failed int32, 11 terminating int32, 7 completedIndexes string, 10 failedIndexes string, 8
  uncountedTerminatedPods UncountedTerminatedPods, 9 ready int32
JobTemplateSpec: 1 metadata meta.ObjectMeta, 2 spec JobSpec
PodFailurePolicy: 1 rules! []PodFailurePolicyRule
PodFailurePolicyOnExitCodesRequirement: 1 containerName string, 2 operator! string, 3 values! []int32 @@
PodFailurePolicyOnPodConditionsPattern: 1 type! string, 2 status string
PodFailurePolicyRule: 1 action! string, 2 onExitCodes PodFailurePolicyOnExitCodesRequirement, 3 onPodConditions
  []PodFailurePolicyOnPodConditionsPattern
SuccessPolicy: 1 rules! []SuccessPolicyRule
SuccessPolicyRule: 1 succeededIndexes string, 2 succeededCount int32
UncountedTerminatedPods: 1 succeeded []string @@, 2 failed []string @@
`,
};

export const APPS_TYPES: NotationFile = {
  prefix: 'apps',
  publishedAs: 'io.k8s.api.apps.v1',
  text: `
ControllerRevision: 1 metadata meta.ObjectMeta, 2 data any, 3 revision! int64
DaemonSet: 1 metadata meta.ObjectMeta, 2 spec DaemonSetSpec, 3 status DaemonSetStatus
DaemonSetCondition: 1 type! string, 2 status string, 3 lastTransitionTime time, 4 reason string, 5 message string
DaemonSetSpec: 1 selector! meta.LabelSelector, 2 template! core.PodTemplateSpec, 3 updateStrategy
  DaemonSetUpdateStrategy, 4 minReadySeconds int32, 6 revisionHistoryLimit int32
DaemonSetStatus: 1 currentNumberScheduled! int32, 2 numberMisscheduled! int32, 3 desiredNumberScheduled! int32, 4
  numberReady! int32, 5 observedGeneration int64, 6 updatedNumberScheduled int32, 7 numberAvailable int32, 8
  numberUnavailable int32, 9 collisionCount int32, 10 conditions []DaemonSetCondition @type ^type
DaemonSetUpdateStrategy: 1 type string, 2 rollingUpdate RollingUpdateDaemonSet
Deployment: 1 metadata meta.ObjectMeta, 2 spec DeploymentSpec, 3 status DeploymentStatus
DeploymentCondition: 1 type! string, 2 status string, 6 lastUpdateTime time, 7 lastTransitionTime time, 4 reason
  string, 5 message string
DeploymentSpec: 1 replicas int32, 2 selector! meta.LabelSelector, 3 template! core.PodTemplateSpec, 4 strategy
  DeploymentStrategy %, 5 minReadySeconds int32, 6 revisionHistoryLimit int32, 7 paused bool, 9
  progressDeadlineSeconds int32
DeploymentStatus: 1 observedGeneration int64, 2 replicas int32, 3 updatedReplicas int32, 7 readyReplicas int32, 4
  availableReplicas int32, 5 unavailableReplicas int32, 9 terminatingReplicas int32, 6 conditions
  []DeploymentCondition @type ^type, 8 collisionCount int32
DeploymentStrategy: 1 type string, 2 rollingUpdate RollingUpdateDeployment
ReplicaSet: 1 metadata meta.ObjectMeta, 2 spec ReplicaSetSpec, 3 status ReplicaSetStatus
ReplicaSetCondition: 1 type! string, 2 status string, 3 lastTransitionTime time, 4 reason string, 5 message string
ReplicaSetSpec: 1 replicas int32, 4 minReadySeconds int32, 2 selector! meta.LabelSelector, 3 template
  core.PodTemplateSpec
ReplicaSetStatus: 1 replicas! int32, 2 fullyLabeledReplicas int32, 4 readyReplicas int32, 5 availableReplicas int32, 7
  terminatingReplicas int32, 3 observedGeneration int64, 6 conditions []ReplicaSetCondition @type ^type
RollingUpdateDaemonSet: 1 maxUnavailable intstr, 2 maxSurge intstr
RollingUpdateDeployment: 1 maxUnavailable intstr, 2 maxSurge intstr
RollingUpdateStatefulSetStrategy: 1 partition int32, 2 maxUnavailable intstr
StatefulSet: 1 metadata meta.ObjectMeta, 2 spec StatefulSetSpec, 3 status StatefulSetStatus
StatefulSetCondition: 1 type! string, 2 status string, 3 lastTransitionTime time, 4 reason string, 5 message string
StatefulSetOrdinals: 1 start int32
StatefulSetPersistentVolumeClaimRetentionPolicy: 1 whenDeleted string, 2 whenScaled string
StatefulSetSpec: 1 replicas int32, 2 selector! meta.LabelSelector, 3 template! core.PodTemplateSpec, 4
  volumeClaimTemplates []core.PersistentVolumeClaim, 5 serviceName string, 6 podManagementPolicy string, 7
  updateStrategy StatefulSetUpdateStrategy, 8 revisionHistoryLimit int32, 9 minReadySeconds int32, 10
  persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy, 11 ordinals
  StatefulSetOrdinals
StatefulSetStatus: 1 observedGeneration int64, 2 replicas! int32, 3 readyReplicas int32, 4 currentReplicas int32, 5
  updatedReplicas int32, 6 currentRevision string, 7 updateRevision string, 9 collisionCount int32, 10 conditions
  []StatefulSetCondition @type ^type, 11 availableReplicas int32
StatefulSetUpdateStrategy: 1 type string, 2 rollingUpdate RollingUpdateStatefulSetStrategy
`,
};

export const AUTOSCALING_TYPES: NotationFile = {
  prefix: 'autoscaling',
  publishedAs: 'io.k8s.api.autoscaling.v1',
  text: `
CrossVersionObjectReference =: 1 kind! string, 2 name! string, 3 apiVersion string
HorizontalPodAutoscaler: 1 metadata meta.ObjectMeta, 2 spec! HorizontalPodAutoscalerSpec, 3 status
  HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerSpec: 1 scaleTargetRef! CrossVersionObjectReference, 2 minReplicas int32, 3 maxReplicas! int32,
  4 targetCPUUtilizationPercentage int32
HorizontalPodAutoscalerStatus: 1 observedGeneration int64, 2 lastScaleTime time, 3 currentReplicas! int32, 4
  desiredReplicas! int32, 5 currentCPUUtilizationPercentage int32
Scale: 1 metadata meta.ObjectMeta, 2 spec ScaleSpec, 3 status ScaleStatus
ScaleSpec: 1 replicas int32
ScaleStatus: 1 replicas! int32, 2 selector string
`,
};

export const POLICY_TYPES: NotationFile = {
  prefix: 'policy',
  publishedAs: 'io.k8s.api.policy.v1',
  text: `
Eviction: 1 metadata meta.ObjectMeta, 2 deleteOptions meta.DeleteOptions
PodDisruptionBudget: 1 metadata meta.ObjectMeta, 2 spec PodDisruptionBudgetSpec, 3 status PodDisruptionBudgetStatus
PodDisruptionBudgetSpec: 1 minAvailable intstr, 2 selector meta.LabelSelector, 3 maxUnavailable intstr, 4
  unhealthyPodEvictionPolicy string
PodDisruptionBudgetStatus: 1 observedGeneration int64, 2 disruptedPods {}time, 3 disruptionsAllowed int32, 4
  currentHealthy int32, 5 desiredHealthy int32, 6 expectedPods int32, 7 conditions []meta.Condition @type ^type
`,
};

export const SCHEDULING_TYPES: NotationFile = {
  prefix: 'scheduling',
  publishedAs: 'io.k8s.api.scheduling.v1',
  text: `
PriorityClass: 1 metadata meta.ObjectMeta, 2 value int32, 3 globalDefault bool, 4 description string, 5
  preemptionPolicy string
`,
};

export const COORDINATION_TYPES: NotationFile = {
  prefix: 'coordination',
  publishedAs: 'io.k8s.api.coordination.v1',
  text: `
Lease: 1 metadata meta.ObjectMeta, 2 spec LeaseSpec
LeaseSpec: 1 holderIdentity string, 2 leaseDurationSeconds int32, 3 acquireTime microtime, 4 renewTime microtime, 5
  leaseTransitions int32, 6 strategy string, 7 preferredHolder string
`,
};
