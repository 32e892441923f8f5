/**
 * Upper bounds of everything that crosses the federation link. Far above what a real member or job has, far below what
 * would hurt the other side. The sizes of whole messages are bounded by the transport.
 */

/** Names of members, pools, tenants, nodes, models, resources; versions. */
export const NAME_MAX = 253;
/** Sentences for people. */
export const MESSAGE_MAX = 8192;
/** One PEM certificate or request. */
export const PEM_MAX = 32_768;
export const TRUST_BUNDLE_MAX = 16;
export const TOKEN_MAX = 512;
export const NODES_MAX = 10_000;
export const GPU_MODELS_MAX = 256;
export const RUNS_MAX = 20_000;
export const NODES_PER_RUN_MAX = 4096;
export const WORKERS_MAX = 4096;
export const GPUS_PER_WORKER_MAX = 64;
export const RESOURCES_PER_NODE_MAX = 128;
export const LABELS_PER_NODE_MAX = 1024;
export const LABEL_KEY_MAX = 317;
export const LABEL_VALUE_MAX = 63;
export const TAINTS_PER_NODE_MAX = 64;
export const WINDOW_EDGES_MAX = 2000;
/** Tenants, image patterns and jurisdictions of a policy or order. */
export const POLICY_ENTRIES_MAX = 512;
export const IMAGE_PATTERN_MAX = 512;
export const GONE_JOBS_MAX = 20_000;
export const TEMPLATE_BYTES_MAX = 1_048_576;
export const TEMPLATE_DEPTH_MAX = 64;
export const ATTACHMENTS_MAX = 128;
/** Kubernetes' own limit of a ConfigMap or Secret with room for base64 and the seal. */
export const ATTACHMENT_BYTES_MAX = 2_097_152;
export const LOG_CHUNK_BYTES_MAX = 262_144;
export const SESSION_ID_MAX = 128;
/** 14 days in ms: twice the longest lease. */
export const LEASE_MS_MAX = 1_209_600_000;
/** 7 days in ms. */
export const RUNTIME_MS_MAX = 604_800_000;
export const DAY_MS = 86_400_000;
