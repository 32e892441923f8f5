/** The rules of metadata that hold for every kind: names, labels, annotations, owner references, finalizers. */
import { duplicate, type FieldError, fieldForbidden, invalidValue, required, tooLong } from '../field-error.ts';
import { type ApiObject, isObject, type Json, type JsonObject, type Metadata } from '../json-value.ts';
import type { NameRule } from '../registry/resource.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const ANNOTATIONS_LIMIT_BYTES = 256 * 1024;

function longerThan(max: number): string {
  return `must be no more than ${max} bytes`;
}

/** Why `name` is no DNS-1123 label; empty when it is one. */
export function dnsLabelProblems(name: string): string[] {
  const problems: string[] = [];
  if (name.length > 63) problems.push(longerThan(63));
  if (!DNS_LABEL.test(name)) problems.push(LABEL_TEXT);
  return problems;
}

export function dnsSubdomainProblems(name: string): string[] {
  const problems: string[] = [];
  if (name.length > 253) problems.push(longerThan(253));
  if (!DNS_SUBDOMAIN.test(name)) problems.push(SUBDOMAIN_TEXT);
  return problems;
}

function serviceNameProblems(name: string): string[] {
  const problems: string[] = [];
  if (name.length > 63) problems.push(longerThan(63));
  if (!DNS_LABEL_1035.test(name)) problems.push(LABEL_1035_TEXT);
  return problems;
}

function pathSegmentProblems(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((ch) => name.includes(ch)).map((ch) => `may not contain '${ch}'`);
}

function nameProblems(rule: NameRule, name: string): string[] {
  switch (rule) {
    case 'dns-subdomain':
      return dnsSubdomainProblems(name);
    case 'dns-label':
    case 'namespace':
      return dnsLabelProblems(name);
    case 'service':
      return serviceNameProblems(name);
    case 'path-segment':
      return pathSegmentProblems(name);
  }
}

export function qualifiedNameProblems(key: string): string[] {
  const slash = key.lastIndexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  const problems: string[] = [];
  if (prefix === '') problems.push('prefix part must be non-empty');
  else if (prefix !== undefined) problems.push(...dnsSubdomainProblems(prefix).map((text) => `prefix part ${text}`));
  if (name === '') problems.push('name part must be non-empty');
  else if (name.length > 63) problems.push(`name part ${longerThan(63)}`);
  if (!QUALIFIED_PART.test(name)) problems.push(QUALIFIED_TEXT);
  return problems;
}

/** Checks a label map at `path`. */
export function checkLabels(labels: Json | undefined, path: string, errors: FieldError[]): void {
  if (!isObject(labels)) return;
  for (const [key, value] of Object.entries(labels)) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue(path, key, problem));
    if (typeof value !== 'string') continue;
    if (value.length > 63) errors.push(invalidValue(path, value, longerThan(63)));
    if (!LABEL_VALUE.test(value)) errors.push(invalidValue(path, value, LABEL_VALUE_TEXT));
  }
}

function checkAnnotations(annotations: JsonObject | undefined, errors: FieldError[]): void {
  if (annotations === undefined) return;
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    bytes += key.length + (typeof value === 'string' ? value.length : 0);
    for (const problem of qualifiedNameProblems(key.toLowerCase())) {
      errors.push(invalidValue('metadata.annotations', key, problem));
    }
  }
  if (bytes > ANNOTATIONS_LIMIT_BYTES) errors.push(tooLong('metadata.annotations', ANNOTATIONS_LIMIT_BYTES));
}

function checkOwners(metadata: Metadata, errors: FieldError[]): void {
  const controllers: string[] = [];
  const owners = metadata.ownerReferences ?? [];
  owners.forEach((owner, i) => {
    const path = `metadata.ownerReferences[${i}]`;
    for (const key of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      const value: unknown = owner[key];
      if (typeof value !== 'string' || value === '')
        errors.push(invalidValue(`${path}.${key}`, '', 'must not be empty'));
    }
    if (owner.controller === true) controllers.push(owner.name);
  });
  if (controllers.length > 1) {
    errors.push(
      invalidValue(
        'metadata.ownerReferences',
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controllers.slice(0, 2).join(' and ')}`,
      ),
    );
  }
}

function checkFinalizers(metadata: Metadata, errors: FieldError[]): void {
  const seen = new Set<string>();
  for (const finalizer of metadata.finalizers ?? []) {
    for (const problem of qualifiedNameProblems(finalizer)) {
      errors.push(invalidValue('metadata.finalizers', finalizer, problem));
    }
    seen.add(finalizer);
  }
  if (seen.has('orphan') && seen.has('foregroundDeletion')) {
    errors.push(
      invalidValue('metadata.finalizers', [...seen], 'finalizer orphan and foregroundDeletion cannot be both set'),
    );
  }
}

/** Metadata of an object about to be stored. */
export function checkMetadata(object: ApiObject, rule: NameRule, errors: FieldError[]): void {
  const { metadata } = object;
  if (metadata.name === '') {
    errors.push(required('metadata.name', 'name or generateName is required'));
  } else {
    for (const problem of nameProblems(rule, metadata.name)) {
      errors.push(invalidValue('metadata.name', metadata.name, problem));
    }
  }
  checkLabels(metadata.labels, 'metadata.labels', errors);
  checkAnnotations(metadata.annotations, errors);
  checkOwners(metadata, errors);
  checkFinalizers(metadata, errors);
}

/** What an update may not do to metadata. Identity was already carried over from the old object. */
export function checkMetadataUpdate(object: ApiObject, old: ApiObject, errors: FieldError[]): void {
  if (old.metadata.deletionTimestamp === undefined) return;
  const had = new Set(old.metadata.finalizers);
  const added = (object.metadata.finalizers ?? []).filter((finalizer) => !had.has(finalizer));
  if (added.length > 0) {
    errors.push(
      fieldForbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((f) => `"${f}"`).join(', ')}}`,
      ),
    );
  }
}

/** Duplicate keys in a list of named items, worded as the real server does. */
export function checkUniqueNames(items: readonly JsonObject[], path: string, errors: FieldError[]): void {
  const seen = new Set<Json>();
  items.forEach((item, i) => {
    const name = item['name'];
    if (name === undefined) return;
    if (seen.has(name)) errors.push(duplicate(`${path}[${i}].name`, name));
    seen.add(name);
  });
}
