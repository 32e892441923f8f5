/** What a command may do to its surroundings: handed in by bin, so that tests read what a person would. */
export interface CliIo {
  /** One line (or several) to standard output. */
  out(text: string): void;
  /** Progress and warnings: standard error, so that output can be piped. */
  note(text: string): void;
  /** Raw bytes to standard output; resolves when more can be taken. */
  write(bytes: Uint8Array): Promise<void>;
  /** Colours only on a terminal. */
  readonly color: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What `lumbung` exits with; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  forbidden: 4,
  unreachable: 5,
  timedOut: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A failure that a person can act on: one sentence, and the code to exit with. */
export class CliFailure extends Error {
  readonly kind = 'CliFailure';
  override readonly name = 'CliFailure';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
