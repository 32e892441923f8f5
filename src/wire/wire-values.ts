/**
 * Codecs of the small values that several messages share: run ids, job keys, generations, node shares, jurisdictions,
 * string sets, enumerations.
 */
import { isCause, type Cause } from '../core/model/cause.ts';
import * as ids from '../core/model/ids.ts';
import type { Generation } from '../core/model/member.ts';
import type { NodeShare } from '../core/model/run.ts';
import { compareStrings } from '../std/ordering.ts';
import type { FieldChecks } from './field-checks.ts';
import type * as proto from './generated/lumbung/federation/v1/federation.ts';
import {
  MESSAGE_MAX,
  NAME_MAX,
  NODES_PER_RUN_MAX,
  PEM_MAX,
  POLICY_ENTRIES_MAX,
  TRUST_BUNDLE_MAX,
  WORKERS_MAX,
} from './wire-limits.ts';

const UID = { pattern: /^[A-Za-z0-9-]+$/, max: 64, allowed: 'letters, digits and "-"' };
const SUBDOMAIN = {
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  max: NAME_MAX,
  allowed: 'a lower-case DNS name',
};
const LABEL = { pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, max: 63, allowed: 'a lower-case DNS label' };
const JURISDICTION = { pattern: /^[A-Z]{2}$/, max: 2, allowed: 'an ISO 3166-1 alpha-2 code in upper case' };

export function decodeUid(checks: FieldChecks, path: string, value: string): string {
  return checks.matching(path, value, UID);
}

/** An object's name on either cluster. */
export function decodeName(checks: FieldChecks, path: string, value: string): string {
  return checks.matching(path, value, SUBDOMAIN);
}

export function decodeLabelName(checks: FieldChecks, path: string, value: string): string {
  return checks.matching(path, value, LABEL);
}

export function decodeJurisdiction(checks: FieldChecks, path: string, value: string): ids.Jurisdiction {
  return ids.jurisdiction(checks.matching(path, value, JURISDICTION));
}

export function decodeJurisdictions(
  checks: FieldChecks,
  path: string,
  values: readonly string[],
): readonly ids.Jurisdiction[] {
  return checks.list(path, values, POLICY_ENTRIES_MAX, (itemPath, value) =>
    decodeJurisdiction(checks, itemPath, value),
  );
}

export function encodeRunId(id: ids.RunId): proto.RunId {
  return { jobUid: id.jobUid, fence: BigInt(id.fence) };
}

const NO_RUN: ids.RunId = { jobUid: ids.jobUid('unreadable'), fence: ids.fence(1) };

export function decodeRunId(checks: FieldChecks, path: string, value: proto.RunId | undefined): ids.RunId {
  return checks.required(
    path,
    value,
    (at, id) => ({
      jobUid: ids.jobUid(decodeUid(checks, `${at}.jobUid`, id.jobUid)),
      fence: ids.fence(checks.whole(`${at}.fence`, id.fence, { min: 1 })),
    }),
    NO_RUN,
  );
}

export function encodeJobKey(key: ids.JobKey): proto.JobKey {
  return { namespace: key.namespace, name: key.name };
}

export function decodeJobKey(checks: FieldChecks, path: string, value: proto.JobKey | undefined): ids.JobKey {
  return checks.required(
    path,
    value,
    (at, key) => ({
      namespace: decodeLabelName(checks, `${at}.namespace`, key.namespace),
      name: decodeName(checks, `${at}.name`, key.name),
    }),
    { namespace: '', name: '' },
  );
}

export function encodeGeneration(generation: Generation): proto.Generation {
  return { incarnation: generation.incarnation, term: BigInt(generation.term), counter: BigInt(generation.counter) };
}

export function decodeGeneration(checks: FieldChecks, path: string, value: proto.Generation): Generation {
  return {
    incarnation: checks.text(`${path}.incarnation`, value.incarnation, { min: 1, max: NAME_MAX }),
    term: checks.whole(`${path}.term`, value.term),
    counter: checks.whole(`${path}.counter`, value.counter),
  };
}

export function encodeNodeShares(nodes: readonly NodeShare[]): proto.NodeShare[] {
  return nodes.map(({ node, workers }) => ({ node, workers }));
}

export function decodeNodeShares(
  checks: FieldChecks,
  path: string,
  values: readonly proto.NodeShare[],
): readonly NodeShare[] {
  const shares = checks.list(path, values, NODES_PER_RUN_MAX, (at, share) => ({
    node: ids.nodeName(decodeName(checks, `${at}.node`, share.node)),
    workers: checks.whole(`${at}.workers`, share.workers, { min: 1, max: WORKERS_MAX }),
  }));
  return checks.distinct(path, shares, (share) => share.node);
}

/** A sentence for people as it is sent: cut to what the other side takes, so that a long one refuses nothing. */
export function sentence(text: string): string {
  const clean = text.replaceAll('\u0000', '');
  return clean.length <= MESSAGE_MAX ? clean : `${clean.slice(0, MESSAGE_MAX - 3)}...`;
}

/** Entries by key, so that the same map always gives the same bytes. */
export function sortedRecord<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compareStrings(a, b)));
}

/** A cause this version does not know becomes `fallback`, with its name kept in the sentence. */
export function decodeCause(
  checks: FieldChecks,
  path: string,
  end: { readonly cause: string; readonly message: string; readonly fallback: Cause },
): { readonly cause: Cause; readonly message: string } {
  if (isCause(end.cause)) return { cause: end.cause, message: end.message };
  checks.matching(path, end.cause, { pattern: /^[A-Za-z][A-Za-z0-9]*$/, max: 64, allowed: 'a CamelCase word' });
  return { cause: end.fallback, message: `${end.cause} (a cause that this version does not know): ${end.message}` };
}

/** A two-way table between a closed union and a proto enum; 0 and unknown numbers have no name. */
export interface EnumTable<Name extends string, Number extends number> {
  readonly encode: (name: Name) => Number;
  readonly decode: (value: number) => Name | undefined;
}

export function enumTable<Name extends string, Number extends number>(
  numbers: Readonly<Record<Name, Number>>,
): EnumTable<Name, Number> {
  const names = new Map<number, Name>();
  for (const name of Object.keys(numbers) as Name[]) names.set(numbers[name], name);
  return { encode: (name) => numbers[name], decode: (value) => names.get(value) };
}

/** PEM certificates; at least one. */
export function decodeTrustBundle(checks: FieldChecks, path: string, values: readonly string[]): readonly string[] {
  if (values.length === 0) checks.problem(path, 'must have at least one certificate');
  return checks.list(path, values, TRUST_BUNDLE_MAX, (at, pem) => decodePem(checks, at, pem, 'CERTIFICATE'));
}

/** One PEM block with this label, nothing before it. What is inside is for the reader of certificates to judge. */
export function decodePem(
  checks: FieldChecks,
  path: string,
  value: string,
  label: 'CERTIFICATE' | 'CERTIFICATE REQUEST',
): string {
  checks.text(path, value, { min: 1, max: PEM_MAX });
  if (value !== '' && !value.startsWith(`-----BEGIN ${label}-----`)) checks.problem(path, `must be a PEM ${label}`);
  return value;
}
