/**
 * The Kubernetes shape around every kind, as raw JSON. Same structure as the platform's, declared here because the API may
 * not know the platform. Leaves out everything but types: nothing is deserialised into classes, so unknown metadata survives.
 */

/** Makes an inferred schema type immutable all the way down. */
export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

export interface ApiOwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ApiObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  /** RFC 3339; set once deletion was asked for. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly ApiOwnerReference[];
  readonly managedFields?: readonly unknown[];
}

/** One object of a Lumbung kind. `status` is absent until a controller has written it. */
export interface ApiObject<Kind extends string, Spec, Status> {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: Kind;
  readonly metadata: ApiObjectMeta;
  readonly spec: Spec;
  readonly status?: Status;
}

/** Names a resource type the way its URL does. */
export interface ApiResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export const API_GROUP = 'lumbung.dev';
export const API_GROUP_VERSION = 'v1alpha1';
export const API_VERSION = 'lumbung.dev/v1alpha1';
