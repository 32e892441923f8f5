/** Everything long-lived: constructors only assign, `start` begins the work, `stop` is idempotent and bounded in time. */
export interface Runnable {
  readonly name: string;
  /** Resolves once running (not when finished). Work ends when `stop` is called or `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
