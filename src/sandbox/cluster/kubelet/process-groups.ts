/**
 * Signals to whole process groups, and the question whether anything of a group still lives.
 *
 * Invariants: a group counts as alive while it has a member that is not a zombie: nobody may ever collect the zombies of a
 * container whose first process is gone, and they hold neither memory nor devices.
 */
import { readFile, readdir } from 'node:fs/promises';
import { kill } from 'node:process';

/** False when the group does not exist (any more). */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM says that members exist which we may not signal; everything else says that there are none.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Looks past zombies; costs a walk over /proc when the group still has members of any kind. */
export async function groupIsAlive(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return false;
  let names: string[];
  try {
    names = await readdir('/proc');
  } catch {
    // No /proc on this system: the signal's answer is all there is.
    return true;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const state = await stateInGroup(name, group);
    if (state !== undefined && state !== 'Z' && state !== 'X') return true;
  }
  return false;
}

async function stateInGroup(pid: string, group: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // Ended while we looked.
    return undefined;
  }
  // The second field is the name in brackets and may contain anything, so fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[2]) === group ? fields[0] : undefined;
}
