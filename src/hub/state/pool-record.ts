/** One GpuPool as hub state holds it: its rules compiled once per generation, or what is wrong with it. */
import { decodeGpuPool, type GpuPool } from '../../api/v1alpha1/gpu-pool.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import { poolName, type PoolName } from '../../core/model/ids.ts';
import type { PoolRules } from '../../core/model/pool.ts';
import { poolRulesOf } from './pool-rules-of.ts';
import type { RawObject } from './job-record.ts';

export type PoolReading =
  | { readonly kind: 'valid'; readonly pool: GpuPool; readonly rules: PoolRules }
  | { readonly kind: 'invalid'; readonly problems: readonly FieldProblem[] };

export interface PoolRecord {
  readonly name: PoolName;
  readonly object: RawObject;
  readonly generation: number;
  readonly reading: PoolReading;
}

export function readPool(object: RawObject, previous?: PoolRecord): PoolRecord {
  const { metadata } = object;
  const generation = metadata.generation ?? 0;
  const known =
    previous?.object.metadata.uid === metadata.uid && previous?.generation === generation ? previous : undefined;
  const reading = known === undefined ? readRules(object) : known.reading;
  return { name: poolName(metadata.name ?? ''), object, generation, reading };
}

function readRules(object: RawObject): PoolReading {
  const decoded = decodeGpuPool({ ...object, status: undefined });
  if (!decoded.ok) return { kind: 'invalid', problems: decoded.error };
  const rules = poolRulesOf(decoded.value);
  if (!rules.ok) return { kind: 'invalid', problems: rules.error };
  return { kind: 'valid', pool: decoded.value, rules: rules.value };
}
