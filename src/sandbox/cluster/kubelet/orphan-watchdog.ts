/**
 * Makes sure that no container outlives a sandbox that is killed without warning.
 *
 * A tiny shell in a session of its own reads the process groups in use from a pipe; the kernel closes that pipe when the
 * sandbox dies, however it dies, and the shell then kills every group that is still listed. One per cluster.
 * Invariants: a group is listed before the launch is reported and struck off once it has ended, so that a number used anew
 * by the system is never killed; if the shell itself is killed it is started anew with the whole list.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

const script = `
trap '' HUP INT TERM
while read -r op id; do
  if [ "$op" = add ]; then eval "group_$id=1"; else unset "group_$id"; fi
done
for id in $(set | sed -n 's/^group_\\([0-9][0-9]*\\)=.*/\\1/p'); do kill -KILL "-$id" 2>/dev/null; done
`;

export class OrphanWatchdog {
  private readonly groups = new Set<number>();
  private shell: ChildProcess | undefined;
  private stopped = false;

  start(): void {
    this.stopped = false;
    const shell = spawn('/bin/sh', ['-c', script, 'sandbox-watchdog'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    });
    this.shell = shell;
    // A broken pipe shows as the exit of the shell, which is answered there.
    shell.stdin.on('error', () => undefined);
    shell.on('error', () => undefined);
    shell.once('exit', () => {
      if (!this.stopped && this.shell === shell) this.start();
    });
    // The watchdog must not keep a finished sandbox alive.
    shell.unref();
    for (const group of this.groups) this.tell(`add ${group}`);
  }

  add(processGroup: number): void {
    this.groups.add(processGroup);
    this.tell(`add ${processGroup}`);
  }

  remove(processGroup: number): void {
    if (this.groups.delete(processGroup)) this.tell(`del ${processGroup}`);
  }

  /** Closes the pipe; whatever is still listed is killed. Resolves when the shell has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    const shell = this.shell;
    const alive = shell?.exitCode === null && shell.signalCode === null;
    if (shell === undefined || !alive) return;
    await new Promise<void>((resolve) => {
      shell.once('exit', () => {
        resolve();
      });
      shell.ref();
      shell.stdin?.end();
    });
  }

  private tell(line: string): void {
    if (this.shell?.stdin?.writable === true) this.shell.stdin.write(`${line}\n`);
  }
}
