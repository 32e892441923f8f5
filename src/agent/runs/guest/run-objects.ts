/**
 * The objects of one run: GuestRun, Job, and for a gang a headless Service and the NetworkPolicy among its workers. Pure.
 *
 * Invariants: names derive from (job UID, fence) alone; everything is owned by the GuestRun, so that deleting it stops the
 * guest with the agent dead; the Job never retries, never replaces a pod that may still run, never cleans up by itself.
 */
import { guestNamespace, runName } from '../../../api/v1alpha1/child-names.ts';
import { GUEST_RUN_RESOURCE } from '../../../api/v1alpha1/guest-run.ts';
import { ANNOTATIONS, LABELS, MANAGED_BY_VALUE } from '../../../api/v1alpha1/labels.ts';
import { API_VERSION } from '../../../api/schema/kube-object.ts';
import type { NodeShare, RunOrder } from '../../../core/model/run.ts';
import type { KubeObject, OwnerReference } from '../../../platform/kube/object.ts';
import { orderToJson, termsToJson } from '../order-json.ts';
import { runAnnotations, runLabels, type PodTemplate } from '../template/build-pod.ts';

export type MadeObject = KubeObject & Readonly<Record<string, unknown>>;

function metadataOf(order: RunOrder, owner?: OwnerReference): KubeObject['metadata'] {
  return {
    name: runName(order.id),
    namespace: guestNamespace(order.tenant),
    labels: { ...runLabels(order), [LABELS.managedBy]: MANAGED_BY_VALUE },
    annotations: runAnnotations(order),
    ...(owner === undefined ? {} : { ownerReferences: [owner] }),
  };
}

/** `graceSeconds` as clamped; `nodes` as re-fitted; `startedBy` the token of this process. */
export function guestRunObject(
  order: RunOrder,
  made: { readonly nodes: readonly NodeShare[]; readonly graceSeconds: number; readonly startedBy: string },
): MadeObject {
  const metadata = metadataOf(order);
  const { lease } = order;
  return {
    apiVersion: API_VERSION,
    kind: GUEST_RUN_RESOURCE.kind,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [ANNOTATIONS.startedBy]: made.startedBy } },
    spec: {
      jobUid: order.id.jobUid,
      fence: order.id.fence,
      jobNamespace: order.job.namespace,
      jobName: order.job.name,
      attempt: order.attempt,
      tenant: order.tenant,
      pool: order.pool,
      workers: order.workers,
      gpusPerWorker: order.gpusPerWorker,
      gpuModel: order.gpuModel,
      nodes: made.nodes.map((share) => ({ name: share.node, workers: share.workers })),
      onPartition: order.onPartition,
      maxRuntimeSeconds: wholeSeconds(order.maxRuntimeMs),
      startTimeoutSeconds: wholeSeconds(order.startTimeoutMs),
      graceSeconds: made.graceSeconds,
      lease: {
        durationSeconds: wholeSeconds(lease.durationMs),
        terminationGraceSeconds: Math.ceil(lease.terminationGraceMs / 1000),
        marginSeconds: Math.ceil(lease.marginMs / 1000),
        maxClockDriftPercent: lease.maxClockDriftPercent,
        replaceAfterSeconds: wholeSeconds(lease.replaceAfterMs),
      },
      templateHash: order.templateHash,
      order: orderToJson(order),
    },
  };
}

/** For people: exact milliseconds are in `order`. The schema wants at least one second. */
function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** The GuestRun as owner of what belongs to it. */
export function ownedBy(order: RunOrder, uid: string): OwnerReference {
  return { apiVersion: API_VERSION, kind: GUEST_RUN_RESOURCE.kind, name: runName(order.id), uid, controller: true };
}

export function guestJobObject(
  order: RunOrder,
  made: { readonly owner: OwnerReference; readonly pod: PodTemplate; readonly deadlineSeconds: number },
): MadeObject {
  const metadata = metadataOf(order, made.owner);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [ANNOTATIONS.terms]: JSON.stringify(termsToJson(order)) },
    },
    spec: {
      completionMode: 'Indexed',
      parallelism: order.workers,
      completions: order.workers,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: made.deadlineSeconds,
      template: made.pod,
    },
  };
}

/** Gives workers names, before they are ready too: that is when they look for each other. */
export function guestServiceObject(order: RunOrder, owner: OwnerReference): MadeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(order, owner),
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: selectorOf(order) },
  };
}

/** Pods of one run may talk to each other, both ways, on every port. */
export function sameRunPolicyObject(order: RunOrder, owner: OwnerReference): MadeObject {
  const peers = [{ podSelector: { matchLabels: selectorOf(order) } }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(order, owner),
    spec: {
      podSelector: { matchLabels: selectorOf(order) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: peers }],
      egress: [{ to: peers }],
    },
  };
}

function selectorOf(order: RunOrder): Readonly<Record<string, string>> {
  return { [LABELS.jobUid]: order.id.jobUid, [LABELS.fence]: String(order.id.fence) };
}
