/**
 * What contract tests look at in answers. Members are declared as present because a test that reads one claims that it is
 * there; a wrong claim fails the test.
 */
export interface BodyCondition {
  readonly type: string;
  readonly status: string;
}

export interface BodyMeta {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds: number;
  readonly generation: number;
  readonly continue: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly ownerReferences: readonly { readonly name: string }[];
  readonly managedFields: readonly FieldsEntry[];
}

export interface FieldsEntry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
  readonly fieldsV1: Readonly<Record<string, unknown>>;
}

export interface BodySpec {
  readonly clusterIP?: string;
  readonly ports: readonly { readonly port: number }[];
  readonly containers: readonly { readonly resources: unknown }[];
  readonly priority: number;
  readonly items: unknown;
  readonly selector: { readonly matchLabels: unknown };
  readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } };
}

export interface BodyStatus {
  readonly phase: string;
  readonly message?: string;
  readonly conditions: readonly BodyCondition[];
  readonly allowed: boolean;
  readonly authenticated?: boolean;
  readonly user: { readonly groups: readonly string[] };
  readonly token: string;
}

export interface Body {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: BodyMeta;
  readonly spec: BodySpec;
  readonly status: BodyStatus;
  readonly data: Readonly<Record<string, string>>;
  readonly stringData?: unknown;
  readonly dataa?: unknown;
  readonly message: string;
  readonly reason: string;
  readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
  readonly items: readonly Body[];
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: unknown }[];
  readonly gitVersion: string;
  readonly groups: readonly { readonly name: string }[];
  readonly versions: readonly { readonly resources: readonly { readonly resource: string }[] }[];
  readonly resources: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, OpenApiPath>>;
  readonly components: { readonly schemas: Readonly<Record<string, OpenApiSchema>> };
}

export interface OpenApiPath {
  readonly serverRelativeURL: string;
  readonly patch: Readonly<Record<string, unknown>> & { readonly parameters: readonly { readonly name: string }[] };
}

export interface OpenApiSchema {
  readonly type: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, OpenApiSchema>>;
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly kind: string }[];
}
