import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { LogBrokenOff, type LogFailure, type LogQuery } from '../../../src/hub/federation/log-broker.ts';
import { fence, jobUid, memberName, type MemberName } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair, type MemoryPair } from '../../../src/platform/grpc/memory-stream.ts';
import type { Result } from '../../../src/std/result.ts';
import type { LogAgentMessage, LogHubMessage } from '../../../src/wire/session-messages.ts';
import { FederationRig, memberA, settle, type Agent } from './federation-rig.ts';

type Opened = Result<AsyncIterable<Uint8Array>, LogFailure>;

const memberB = memberName('member-b');
const windowBytes = 262_144;

const query = (over: Partial<LogQuery> = {}): LogQuery => ({
  member: memberA,
  run: { jobUid: jobUid('job-1'), fence: fence(1) },
  worker: 0,
  container: '',
  follow: true,
  timestamps: false,
  user: 'budi',
  ...over,
});

const lastRequest = (agent: Agent): string => agent.of('logRequest').at(-1)?.request.sessionId ?? '';
const chunk = (size: number): LogAgentMessage => ({ kind: 'chunk', bytes: new Uint8Array(size) });

interface LogEnd {
  readonly pair: MemoryPair<LogAgentMessage, LogHubMessage>;
  readonly heard: LogHubMessage[];
  readonly granted: () => number;
  readonly served: Promise<void>;
}

function openStream(rig: FederationRig, sessionId: string, member: MemberName = memberA): LogEnd {
  const pair = memoryStreamPair<LogAgentMessage, LogHubMessage>();
  const heard: LogHubMessage[] = [];
  void (async () => {
    for await (const message of pair.a.incoming) heard.push(message);
  })();
  const served = rig.logs.serve(pair.b, member);
  pair.a.send({ kind: 'open', sessionId });
  const granted = (): number => heard.reduce((sum, each) => sum + (each.kind === 'window' ? each.bytes : 0), 0);
  return { pair, heard, granted, served };
}

async function joined(
  rig: FederationRig,
  signal = new AbortController().signal,
): Promise<{
  readonly end: LogEnd;
  readonly reader: AsyncIterator<Uint8Array>;
}> {
  const agent = await rig.connect();
  const opening = rig.logs.open(query(), signal);
  await settle();
  const end = openStream(rig, lastRequest(agent));
  const opened = await opening;
  if (!opened.ok) return expect.unreachable(opened.error.kind);
  return { end, reader: opened.value[Symbol.asyncIterator]() };
}

describe('opening a log', () => {
  it('asks the agent with all that the reader wants and who it is', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    void rig.logs.open(query({ worker: 3, container: 'main', tailLines: 5 }), new AbortController().signal);
    await settle();
    const [{ request } = { request: undefined }] = agent.of('logRequest');
    expect(request).toMatchObject({ worker: 3, container: 'main', tailLines: 5, follow: true, user: 'budi' });
    expect(request).not.toHaveProperty('member');
    expect(request?.sessionId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('fails at once for a member that is not connected', async () => {
    const rig = new FederationRig();
    const opened = await rig.logs.open(query(), new AbortController().signal);
    expect(opened).toEqual({ ok: false, error: { kind: 'MemberNotConnected', member: memberA } });
    expect(await rig.metric('lumbung_log_sessions_total', '{result="MemberNotConnected"}')).toBe(1);
  });

  it('gives up after 10 s when the agent never opens, and takes no stream for it later', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const agent = await rig.connect();
    const opening = rig.logs.open(query(), new AbortController().signal);
    await clock.advanceAsync(10_100);
    expect(await opening).toEqual({ ok: false, error: { kind: 'NoAnswer', member: memberA } });
    const late = openStream(rig, lastRequest(agent));
    await expect(late.pair.a.closed).resolves.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('passes on why the member refuses', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const opening = rig.logs.open(query(), new AbortController().signal);
    await settle();
    agent.say({ kind: 'logRefusal', sessionId: lastRequest(agent), reason: 'Expired', message: 'the pod is gone' });
    const error = { kind: 'Refused', reason: 'Expired', message: 'the pod is gone' };
    expect(await opening).toEqual({ ok: false, error });
    expect(await rig.metric('lumbung_log_sessions_total', '{result="Expired"}')).toBe(1);
  });

  it('takes neither a stream nor a refusal of another member for the one that was asked', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const opening: Promise<Opened> = rig.logs.open(query(), new AbortController().signal);
    await settle();
    const sessionId = lastRequest(agent);
    const thief = openStream(rig, sessionId, memberB);
    await expect(thief.pair.a.closed).resolves.toMatchObject({ code: 'NOT_FOUND' });
    rig.logs.refused(memberB, { kind: 'logRefusal', sessionId, reason: 'NotFound', message: 'lies' });
    expect(await rig.refused('UnknownLogSession')).toBe(1);
    openStream(rig, sessionId);
    expect((await opening).ok).toBe(true);
  });

  it.each([
    ['an id that nobody gave', { kind: 'open', sessionId: 'made-up' }],
    ['bytes before the id', { kind: 'chunk', bytes: new Uint8Array(1) }],
  ] as const)('refuses a stream that begins with %s', async (_what, first) => {
    const rig = new FederationRig();
    const pair = memoryStreamPair<LogAgentMessage, LogHubMessage>();
    const served = rig.logs.serve(pair.b, memberA);
    pair.a.send(first);
    await expect(pair.a.closed).resolves.toMatchObject({ code: 'NOT_FOUND' });
    await served;
  });

  it('closes a stream that says nothing for 10 s', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    const pair = memoryStreamPair<LogAgentMessage, LogHubMessage>();
    const served = rig.logs.serve(pair.b, memberA);
    await clock.advanceAsync(10_100);
    await expect(pair.a.closed).resolves.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await served;
  });

  it('lets each session be joined once', async () => {
    const rig = new FederationRig();
    const agent = await rig.connect();
    const opening = rig.logs.open(query(), new AbortController().signal);
    await settle();
    openStream(rig, lastRequest(agent));
    expect((await opening).ok).toBe(true);
    const second = openStream(rig, lastRequest(agent));
    await expect(second.pair.a.closed).resolves.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('ends the wait of a reader that leaves, also one that left before', async () => {
    const rig = new FederationRig();
    await rig.connect();
    const gone = new AbortController();
    const opening = rig.logs.open(query(), gone.signal);
    await settle();
    gone.abort();
    expect(await opening).toMatchObject({ ok: false, error: { kind: 'NoAnswer' } });
    expect(await rig.logs.open(query(), gone.signal)).toMatchObject({ ok: false, error: { kind: 'NoAnswer' } });
  });

  it('bounds how many there are, waiting ones included, and frees the place of those that end', async () => {
    const clock = new VirtualClock();
    const rig = new FederationRig(clock);
    await rig.connect();
    const { signal } = new AbortController();
    setMaxListeners(0, signal);
    const waiting = Array.from({ length: 256 }, () => rig.logs.open(query(), signal));
    expect(await rig.logs.open(query(), signal)).toEqual({ ok: false, error: { kind: 'TooManySessions' } });
    await clock.advanceAsync(10_100);
    await Promise.all(waiting);
    const again = rig.logs.open(query(), signal);
    await clock.advanceAsync(10_100);
    expect(await again).toMatchObject({ error: { kind: 'NoAnswer' } });
  });
});

describe('reading a log', () => {
  it('gives the bytes in order and ends where the member says that it ends', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    for (const text of ['one\n', 'two\n']) end.pair.a.send({ kind: 'chunk', bytes: Buffer.from(text) });
    end.pair.a.send({ kind: 'end', message: '' });
    const read: string[] = [];
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
      read.push(Buffer.from(next.value).toString());
    }
    expect(read).toEqual(['one\n', 'two\n']);
    await end.served;
  });

  it('lets a slow reader hold no more than the window', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    await settle();
    expect(end.granted()).toBe(windowBytes);
    for (let sent = 0; sent < windowBytes; sent += 32_768) end.pair.a.send(chunk(32_768));
    await reader.next();
    await settle();
    expect(end.granted()).toBe(windowBytes);
    for (let read = 1; read < 8; read += 1) await reader.next();
    void reader.next();
    await settle();
    expect(end.granted()).toBe(2 * windowBytes);
  });

  it('cuts off an agent that sends more than its window', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    for (let sent = 0; sent < windowBytes; sent += 131_072) end.pair.a.send(chunk(131_072));
    end.pair.a.send(chunk(1));
    await settle();
    // What arrived within the window is still good.
    expect([await reader.next(), await reader.next()].map((next) => next.done)).toEqual([false, false]);
    await expect(reader.next()).rejects.toBeInstanceOf(LogBrokenOff);
    expect(await rig.refused('LogWindowExceeded')).toBe(1);
    await end.served;
  });

  it('tells the agent at once when the reader leaves, even while nothing comes', async () => {
    const rig = new FederationRig();
    const gone = new AbortController();
    const { end, reader } = await joined(rig, gone.signal);
    const next = reader.next();
    await settle();
    gone.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    await end.served;
    expect(end.heard.at(-1)).toEqual({ kind: 'closed' });
  });

  it('lets go of the agent when the reader left before it read anything', async () => {
    const rig = new FederationRig();
    const gone = new AbortController();
    const { end } = await joined(rig, gone.signal);
    gone.abort();
    await end.served;
    await settle();
    expect(end.heard.at(-1)).toEqual({ kind: 'closed' });
  });

  it('does not take a lost connection for the end of the log', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    end.pair.a.send({ kind: 'chunk', bytes: Buffer.from('half') });
    await reader.next();
    end.pair.sever();
    await expect(reader.next()).rejects.toMatchObject({ kind: 'LogBrokenOff', member: memberA });
  });

  it('does not take a stream that the agent closed without a word for the end either', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    const next = reader.next();
    await settle();
    end.pair.a.close();
    end.pair.sever({ kind: 'ended' });
    await expect(next).rejects.toThrow('it ended early');
  });

  it('breaks off what a revoked member serves, and what it was asked for', async () => {
    const rig = new FederationRig();
    const { reader } = await joined(rig);
    const next = reader.next();
    const waiting = rig.logs.open(query(), new AbortController().signal);
    await settle();
    rig.sessions.get(memberA)?.end('Revoked', 'member-a was revoked', 60_000);
    await expect(next).rejects.toMatchObject({ kind: 'LogBrokenOff' });
    expect(await waiting).toMatchObject({ error: { kind: 'MemberNotConnected' } });
  });

  it('goes on when the session of the member is replaced by a newer one', async () => {
    const rig = new FederationRig();
    const { end, reader } = await joined(rig);
    await rig.connect({ epoch: 2 });
    end.pair.a.send({ kind: 'chunk', bytes: Buffer.from('still here') });
    expect(Buffer.from((await reader.next()).value as Uint8Array).toString()).toBe('still here');
  });
});
