/**
 * The logger that every room is handed. Decides what a log line may contain and what building one costs.
 *
 * Invariants: a disabled level costs one comparison; fields whose names speak of secrets, PEM private keys and bearer tokens
 * never reach the output (redact.ts). Leaves out where lines go: the caller names the stream.
 */
import winston from 'winston';
import { plainFields, redactText } from './redact.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, unknown>>;
/** Fields, or a function that builds them only when the level is on. */
export type LogFieldsInput = LogFields | (() => LogFields);

export interface Logger {
  /** True when debug lines are written; guard costly preparations with it. */
  readonly isDebug: boolean;
  debug(message: string, fields?: LogFieldsInput): void;
  info(message: string, fields?: LogFieldsInput): void;
  warn(message: string, fields?: LogFieldsInput): void;
  error(message: string, fields?: LogFieldsInput): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `json`: one object a line with `time`, `level`, `message`. `pretty`: for a person at a terminal. */
  readonly format: 'json' | 'pretty';
  /** Where lines go, e.g. the process's standard error. */
  readonly destination: NodeJS.WritableStream;
  /** Wall clock of the lines; default the machine's. */
  readonly nowMs?: () => number;
  /** Fields of every line, e.g. the component's name. */
  readonly fields?: LogFields;
}

const severity: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

/** A logger that writes to `options.destination` through winston. */
export function createLogger(options: LoggerOptions): Logger {
  const nowMs = options.nowMs ?? Date.now;
  const sink = winston.createLogger({
    levels: { ...severity },
    level: options.level,
    exitOnError: false,
    format: winston.format.printf((entry) => renderLine(entry, options.format)),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own class, typed by two packages
    transports: [new winston.transports.Stream({ stream: options.destination, eol: '\n' })],
  });
  const limit = severity[options.level];
  return loggerOver(options.fields ?? {}, limit, (level, message, fields) => {
    sink.log({ level, message, time: new Date(nowMs()).toISOString(), fields });
  });
}

/** Where finished lines of a logger go: already redacted, plain JSON values only. */
export type LogSink = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;

/** A logger over any sink: the same guard and redaction without winston, for tests and embedding. */
export function createSinkLogger(level: LogLevel, sink: LogSink, fields: LogFields = {}): Logger {
  return loggerOver(fields, severity[level], sink);
}

/** A logger that writes nothing. */
export function silentLogger(): Logger {
  return loggerOver({}, -1, () => undefined);
}

function loggerOver(base: LogFields, limit: number, sink: LogSink): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFieldsInput): void => {
      if (severity[level] > limit) return;
      const built = typeof fields === 'function' ? fields() : fields;
      sink(level, redactText(message), plainFields({ ...base, ...built }));
    };
  return {
    isDebug: limit >= severity.debug,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => loggerOver({ ...base, ...fields }, limit, sink),
  };
}

function renderLine(entry: winston.Logform.TransformableInfo, format: 'json' | 'pretty'): string {
  const time = String(entry['time']);
  const message = String(entry.message);
  const fields = entry['fields'] as Readonly<Record<string, unknown>>;
  if (format === 'json') return JSON.stringify({ time, level: entry.level, message, ...withoutReserved(fields) });
  const tail = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${time.slice(11, 23)} ${entry.level.toUpperCase().padEnd(5)} ${message}${tail.join('')}`;
}

/** A field cannot pose as the line's own time, level or message: it gets an underscore. */
function withoutReserved(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    out[name === 'time' || name === 'level' || name === 'message' ? `${name}_` : name] = value;
  }
  return out;
}
