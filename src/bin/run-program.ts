/**
 * Runs a long-lived program from argv to exit code: `--help`, configuration with every problem at once, logger, signals,
 * orderly shutdown. Exit codes: 0 stopped when asked, 1 failed, 2 configuration is wrong, 3 stopping took too long.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../platform/clock/clock.ts';
import { ConfigProblems, type ConfigSources } from '../platform/config/config.ts';
import { flagsFromArgv } from '../platform/config/flags.ts';
import type { SettingDescription } from '../platform/config/describe-settings.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { runUntilShutdown } from '../platform/lifecycle/shutdown.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import { createLogger, type Logger, type LogLevel } from '../platform/log/logger.ts';
import { VERSION } from './version.ts';

interface LogSettings {
  readonly logLevel: LogLevel;
  readonly logFormat: 'json' | 'pretty';
}

export interface Program<C extends LogSettings> {
  readonly name: string;
  readonly describe: () => readonly SettingDescription[];
  readonly load: (sources: Omit<ConfigSources, 'envPrefix'>) => C;
  readonly make: (config: C, logger: Logger) => Promise<MadeProgram>;
}

export interface MadeProgram {
  readonly app: Runnable;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly failure?: Promise<never>;
}

const EXIT_CODE = { clean: 0, failed: 1, misconfigured: 2, forced: 3 } as const;

export async function runProgram<C extends LogSettings>(program: Program<C>): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(help(program));
    return;
  }
  if (argv.includes('--version')) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  const config = readConfig(program, argv);
  if (config === undefined) return;
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    destination: process.stderr,
    fields: { program: program.name },
  });
  const { app, client, clock, failure } = await program.make(config, logger);
  const outcome = await runUntilShutdown({
    app,
    clock,
    logger,
    signals: { subscribe: onSignals },
    ...(failure === undefined ? {} : { failure }),
  });
  await client.close();
  process.exitCode = EXIT_CODE[outcome.kind];
  // Whatever still holds the event loop after an orderly stop (a half-closed socket, say) must not hold the process.
  setTimeout(() => process.exit(), 1_000).unref();
}

function readConfig<C extends LogSettings>(program: Program<C>, argv: readonly string[]): C | undefined {
  try {
    const { config: path, ...flags } = flagsFromArgv(argv);
    const file = typeof path === 'string' ? { file: { path, text: readFileSync(path, 'utf8') } } : {};
    return program.load({ env: process.env, flags, ...file });
  } catch (error) {
    const text = error instanceof ConfigProblems ? error.message : `configuration cannot be read: ${String(error)}`;
    process.stderr.write(`${text}\n${program.name} --help lists every setting\n`);
    process.exitCode = EXIT_CODE.misconfigured;
    return undefined;
  }
}

function onSignals(handler: (signalName: string) => void): () => void {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}

function help<C extends LogSettings>(program: Program<C>): string {
  const settings = program.describe();
  const lines = settings.map(
    ({ flag, variable, fallback, allowed, help: text }) =>
      `  --${flag.replace(/^--/, '')}\n      ${text}\n      ${allowed}; default ${fallback}; ${variable}`,
  );
  return `${program.name} ${VERSION}\n\nSettings, as flags or environment variables, or keys of the YAML file named by --config:\n\n${lines.join('\n')}\n`;
}
