/**
 * A kind as its CustomResourceDefinition: structural schema with CEL, status subresource, printer columns, short names.
 * Pure: the generator writes what this returns, the sandbox and the tests may read it as it is.
 */
import type { KindDefinition, PrinterColumn } from '../schema/kind.ts';
import { toStructural, type StructuralSchema } from './structural-schema.ts';

/** The part of apiextensions.k8s.io/v1 that we write. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames: readonly string[];
      readonly categories: readonly string[];
    };
    readonly scope: 'Namespaced' | 'Cluster';
    readonly versions: readonly {
      readonly name: string;
      readonly served: true;
      readonly storage: true;
      readonly subresources: { readonly status: Readonly<Record<string, never>> };
      readonly additionalPrinterColumns: readonly PrinterColumn[];
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
}

/** All kinds answer to `kubectl get lumbung`. */
const CATEGORY = 'lumbung';

/** The schema of a whole object of the kind. */
export function objectSchema(kind: KindDefinition): StructuralSchema {
  const name = kind.resource.kind;
  const rules = kind.rootRules.map(({ rule, message }) => ({ rule, message }));
  return {
    description: kind.description,
    type: 'object',
    required: ['spec'],
    ...(rules.length === 0 ? {} : { 'x-kubernetes-validations': rules }),
    properties: {
      apiVersion: { description: 'Group and version of this object: lumbung.dev/v1alpha1.', type: 'string' },
      kind: { description: `Kind of this object: ${name}.`, type: 'string' },
      metadata: { type: 'object' },
      spec: toStructural(kind.spec, `${name}.spec`),
      status: toStructural(kind.status, `${name}.status`),
    },
  };
}

export function customResourceDefinition(kind: KindDefinition): CustomResourceDefinition {
  const { group, version, plural, namespaced } = kind.resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'lumbung' } },
    spec: {
      group,
      names: {
        kind: kind.resource.kind,
        listKind: `${kind.resource.kind}List`,
        plural,
        singular: kind.singular,
        shortNames: [kind.shortName],
        categories: [CATEGORY],
      },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          schema: { openAPIV3Schema: objectSchema(kind) },
        },
      ],
    },
  };
}
