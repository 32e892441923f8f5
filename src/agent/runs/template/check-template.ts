/**
 * Holds a tenant's template against the table of paths. Decides whether it may run here; every refusal names its path.
 *
 * Invariants: nothing that the table does not let through passes; values never appear in messages (they may be secret);
 * JSON nulls count as absent, as the API server treats them. Leaves out building the pod (build-pod.ts).
 */
import { err, ok, type Result } from '../../../std/result.ts';
import { KNOWN_PARENTS, PATH_TABLE, type CheckContext, type PathRule } from './path-table.ts';

export interface TemplateProblem {
  /** With list indices: `spec.containers[0].securityContext.privileged`. */
  readonly path: string;
  /** What is allowed, to be read after the path. */
  readonly message: string;
}

export interface TemplateRules extends CheckContext {
  /** Dotted paths without indices that the owner opts into. */
  readonly allowedPaths: readonly string[];
}

/** A template that passed: an object with a `spec` that lists containers. */
export interface CheckedTemplate {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Beyond this many problems the rest is not worth reading. */
const MOST_PROBLEMS = 20;

/** Nulls dropped, every path checked. The error lists problems in the order of the template. */
export function checkTemplate(
  template: unknown,
  rules: TemplateRules,
): Result<CheckedTemplate, readonly TemplateProblem[]> {
  const problems: TemplateProblem[] = [];
  const root = withoutNulls(template);
  if (!isObject(root)) return err([{ path: 'template', message: 'must be an object' }]);
  const walk = new Walk(rules, problems);
  for (const [field, value] of Object.entries(root)) walk.visit(value, { shown: field, key: field });
  const { metadata = {}, spec } = root;
  if (!isObject(spec)) problems.push({ path: 'spec', message: 'must be an object' });
  else if (!Array.isArray(spec['containers']) || spec['containers'].length === 0) {
    problems.push({ path: 'spec.containers', message: 'must list at least one container' });
  }
  if (problems.length > 0 || !isObject(spec)) return err(problems.slice(0, MOST_PROBLEMS));
  return ok({ metadata: isObject(metadata) ? metadata : {}, spec });
}

/** One sentence for a report: the first problem, and how many more there are. */
export function problemsText(problems: readonly TemplateProblem[]): string {
  const [first] = problems;
  if (first === undefined) return '';
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return `template.${first.path} ${first.message}${more}`;
}

interface Place {
  readonly shown: string;
  /** The same without indices: the key of the table. */
  readonly key: string;
}

class Walk {
  private readonly rules: TemplateRules;
  private readonly problems: TemplateProblem[];

  constructor(rules: TemplateRules, problems: TemplateProblem[]) {
    this.rules = rules;
    this.problems = problems;
  }

  visit(value: unknown, at: Place): void {
    if (this.problems.length > MOST_PROBLEMS || this.isOpened(at.key)) return;
    const rule = PATH_TABLE.get(at.key);
    if (rule !== undefined) this.apply(rule, value, at);
    else if (KNOWN_PARENTS.has(at.key) || this.opensBelow(at.key)) this.descend(value, at);
    else this.refuse(at, 'is not known here and refused unless the owner allows it');
  }

  private descend(value: unknown, at: Place): void {
    if (Array.isArray(value)) {
      value.forEach((item, index) => {
        const place = { shown: `${at.shown}[${index}]`, key: at.key };
        if (isObject(item)) this.fields(item, place);
        else this.refuse(place, 'must be an object');
      });
    } else if (isObject(value)) this.fields(value, at);
    else this.refuse(at, 'must be an object or a list');
  }

  private fields(value: Readonly<Record<string, unknown>>, at: Place): void {
    for (const [name, field] of Object.entries(value)) {
      this.visit(field, { shown: `${at.shown}.${name}`, key: `${at.key}.${name}` });
    }
  }

  private apply(rule: PathRule, value: unknown, at: Place): void {
    switch (rule.kind) {
      case 'tenant':
      case 'agent':
        return;
      case 'owner':
        this.refuse(at, `is refused unless the owner allows it: it ${rule.why}`);
        return;
      case 'never':
        this.refuse(at, `must not be set: ${rule.why}`);
        return;
      case 'check':
        this.refuse(at, rule.check(value, this.rules));
        return;
      case 'keys':
        this.keys(rule, value, at);
    }
  }

  private keys(rule: Extract<PathRule, { kind: 'keys' }>, value: unknown, at: Place): void {
    if (!isObject(value)) {
      this.refuse(at, 'must be a map');
      return;
    }
    for (const [key, entry] of Object.entries(value)) {
      const place = { shown: `${at.shown}.${key}`, key: `${at.key}.${key}` };
      if (typeof entry === 'object') this.refuse(place, 'must be a plain value');
      else this.refuse(place, rule.hard(key) ?? (this.isOpened(place.key) ? undefined : rule.check(key)));
    }
  }

  /** `never` and the agent's own paths cannot be opened. */
  private isOpened(key: string): boolean {
    if (!this.rules.allowedPaths.some((path) => key === path || key.startsWith(`${path}.`))) return false;
    return !isClosedForAll(key);
  }

  private opensBelow(key: string): boolean {
    return this.rules.allowedPaths.some((path) => path.startsWith(`${key}.`));
  }

  private refuse(at: Place, message: string | undefined): void {
    if (message !== undefined) this.problems.push({ path: at.shown, message });
  }
}

/** A path that stays the agent's word, or has such a path below it, is walked even where the owner opened it. */
function isClosedForAll(key: string): boolean {
  for (const [path, rule] of PATH_TABLE) {
    const closed = rule.kind === 'never' || path.endsWith('.env.name') || rule.kind === 'keys';
    if (closed && (path === key || path.startsWith(`${key}.`))) return true;
  }
  return false;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => (field === null ? [] : [[name, withoutNulls(field)]])),
  );
}
