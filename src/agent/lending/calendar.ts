/**
 * The owner's calendar: which stretches of time the windows of a LendingPolicy cover.
 *
 * Invariants: a window belongs to the local day on which it opens; an end before the start means the next day, 24:00 is the
 * next midnight. Wall-clock times that a change of the clocks skips are moved forward by the gap, those that occur twice
 * mean the first one; a window that shrinks to nothing is no window. Overlapping and touching windows are one stretch.
 * Leaves out what happens at an edge (lending-policy-reader.ts) and how many GPUs an edge brings (inventory).
 */
import { Cron } from 'croner';
import type { WindowEdgeKind } from '../../core/model/member.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { compareNumbers, sorted } from '../../std/ordering.ts';

const DAY_MS = 86_400_000;
/** How far ahead stretches are known; one that reaches further has no end in sight. */
const LOOK_AHEAD_DAYS = 8;
const EDGE_HORIZON_MS = 2 * DAY_MS;
/** Local dates around a UTC date that can matter: one either way for the zone, one back for windows over midnight. */
const LOOK_BACK_DAYS = 2;
const WEEKDAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'] as const;

export interface DailyWindow {
  /** Absent = every day. */
  readonly days?: readonly string[];
  /** `HH:MM`. */
  readonly start: string;
  /** `HH:MM` or `24:00`. */
  readonly end: string;
  /** IANA name, known to exist. */
  readonly timeZone: string;
}

export interface Stretch {
  readonly opensAtMs: number;
  readonly closesAtMs: number;
}

export interface CalendarView {
  readonly open: boolean;
  /** When the stretch that is open now closes; absent while closed, and when no end is in sight. */
  readonly availableUntilMs?: number;
  /** Of the next 48 hours, ascending. */
  readonly edges: readonly { readonly atMs: number; readonly kind: WindowEdgeKind }[];
  /** When this view stops being true; absent = never. */
  readonly validUntilMs?: number;
}

export interface Calendar {
  /** What holds at wall-clock time `nowMs`. */
  at(nowMs: number): CalendarView;
}

/** Open for ever: what a policy without windows means. */
export const ALWAYS_OPEN: Calendar = { at: () => ({ open: true, edges: [] }) };

/** Whether the runtime's tables know the zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    // The constructor's RangeError is the only way to ask.
    return false;
  }
}

export function createCalendar(windows: readonly DailyWindow[]): Calendar {
  let instants = new Map<string, number>();
  let knownDay = Number.NaN;
  let stretches: readonly Stretch[] = [];

  return {
    at: (nowMs) => {
      const day = Math.floor(nowMs / DAY_MS);
      if (day !== knownDay) {
        const fresh = new Map<string, number>();
        stretches = mergeStretches(
          windows.flatMap((window) =>
            windowStretches(window, day, (zone, local) => instantOf(zone, local, instants, fresh)),
          ),
        );
        instants = fresh;
        knownDay = day;
      }
      return viewAt(stretches, nowMs, (day + LOOK_AHEAD_DAYS) * DAY_MS);
    },
  };
}

/** Sorted, with overlapping and touching ones joined; empty ones vanish. */
export function mergeStretches(stretches: readonly Stretch[]): readonly Stretch[] {
  const merged: Stretch[] = [];
  const ascending = sorted(
    stretches.filter((stretch) => stretch.opensAtMs < stretch.closesAtMs),
    (a, b) => compareNumbers(a.opensAtMs, b.opensAtMs),
  );
  for (const next of ascending) {
    const last = merged.at(-1);
    if (last === undefined || next.opensAtMs > last.closesAtMs) merged.push(next);
    else merged[merged.length - 1] = { ...last, closesAtMs: Math.max(last.closesAtMs, next.closesAtMs) };
  }
  return merged;
}

function viewAt(stretches: readonly Stretch[], nowMs: number, knownUntilMs: number): CalendarView {
  const current = stretches.find((stretch) => stretch.opensAtMs <= nowMs && nowMs < stretch.closesAtMs);
  const ends = current !== undefined && current.closesAtMs < knownUntilMs;
  const upcoming = stretches
    .flatMap((stretch) => [
      { atMs: stretch.opensAtMs, kind: 'opens' as const },
      { atMs: stretch.closesAtMs, kind: 'closes' as const },
    ])
    .filter((edge) => edge.atMs > nowMs && edge.atMs < knownUntilMs);
  const nextMidnightMs = (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
  return {
    open: current !== undefined,
    ...(ends ? { availableUntilMs: current.closesAtMs } : {}),
    edges: upcoming.filter((edge) => edge.atMs <= nowMs + EDGE_HORIZON_MS),
    validUntilMs: Math.min(nextMidnightMs, upcoming[0]?.atMs ?? Number.POSITIVE_INFINITY),
  };
}

type ToInstant = (timeZone: string, local: string) => number;

function windowStretches(window: DailyWindow, today: number, toInstant: ToInstant): Stretch[] {
  const overnight = window.end <= window.start;
  const closing = window.end === '24:00' ? { days: 1, time: '00:00' } : { days: overnight ? 1 : 0, time: window.end };
  const found: Stretch[] = [];
  for (let day = today - LOOK_BACK_DAYS; day <= today + LOOK_AHEAD_DAYS + 1; day += 1) {
    const weekday = WEEKDAYS[((day % 7) + 7) % 7];
    if (window.days !== undefined && !window.days.includes(weekday ?? '')) continue;
    found.push({
      opensAtMs: toInstant(window.timeZone, `${isoDate(day)}T${window.start}:00`),
      closesAtMs: toInstant(window.timeZone, `${isoDate(day + closing.days)}T${closing.time}:00`),
    });
  }
  return found;
}

/** Resolving a local time costs a third of a millisecond, and from day to day most stay the same. */
function instantOf(timeZone: string, local: string, known: Map<string, number>, fresh: Map<string, number>): number {
  const key = `${timeZone} ${local}`;
  const instant = fresh.get(key) ?? known.get(key) ?? resolveLocal(timeZone, local);
  fresh.set(key, instant);
  return instant;
}

function resolveLocal(timeZone: string, local: string): number {
  const date = new Cron(local, { timezone: timeZone, paused: true }).getOnce();
  if (date === null) throw new Error(`local time ${local} in ${timeZone} could not be resolved`);
  return date.getTime();
}

/** `YYYY-MM-DD` of a day counted from 1970-01-01. */
function isoDate(dayNumber: number): string {
  return formatTimestamp(dayNumber * DAY_MS).slice(0, 10);
}
