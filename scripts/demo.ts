/**
 * `npm run demo`: a hub and three members on this machine, a story, and a judgement. Exits 0 only when every promise was
 * kept. `-- --keep` leaves everything up until Ctrl-C and says how to point kubectl, helm and the CLI at it.
 */
import { resolve } from 'node:path';
import { renderTable } from '../src/cli/render/table.ts';
import { Federation } from '../test/support/federation.ts';
import { secondsAgent, secondsHub } from '../test/support/jobs.ts';
import { startObjectStore } from '../test/support/object-store.ts';
import { createNarrator } from './demo/narrator.ts';
import { checkPromises, type Promised } from './demo/promises.ts';
import { reclaimGraceMs, tellStory } from './demo/story.ts';

const keep = process.argv.includes('--keep');
const narrator = createNarrator(process.stdout);
const policy = { reclaimGrace: `${reclaimGraceMs / 1000}s`, images: { allow: ['node:*'] } };

narrator.chapter('Lumbung: a hub and three members on this machine');
narrator.say('pods are plain processes here; a sandbox isolates nothing');
const store = await startObjectStore({ bucket: 'team-a', keyId: 'team-a', secret: 'demo-secret-of-team-a' });
const federation = await Federation.start({
  members: [
    {
      name: 'aurora',
      jurisdiction: 'ID',
      region: 'jakarta',
      policy,
      nodes: [{ name: 'aurora-1', gpuModel: 'H100-80GB', gpus: 8 }],
    },
    {
      name: 'borealis',
      jurisdiction: 'SG',
      region: 'singapore',
      policy,
      nodes: [{ name: 'borealis-1', gpuModel: 'A100-80GB', gpus: 8 }],
    },
    {
      name: 'cumulus',
      jurisdiction: 'DE',
      region: 'frankfurt',
      policy,
      nodes: [
        { name: 'cumulus-1', gpuModel: 'T4', gpus: 4 },
        { name: 'cumulus-2', gpuModel: 'T4', gpus: 4 },
      ],
    },
  ],
  // Takeovers within seconds instead of a quarter of a minute.
  hubSettings: secondsHub,
  agentSettings: secondsAgent,
  progress: (text) => {
    narrator.say(text);
  },
});

let failure: unknown;
let promises: readonly Promised[] = [];
try {
  promises = await checkPromises(await tellStory({ federation, store, narrator }));
} catch (error) {
  failure = error;
}

narrator.chapter('What was promised, and what was seen');
process.stdout.write(
  `\n${renderTable(
    ['', 'PROMISE', 'SEEN'],
    promises.map(({ kept, promise, seen }) => [kept ? 'kept' : 'BROKEN', promise, seen]),
  )}\n\n`,
);
const kept = failure === undefined && promises.every((promised) => promised.kept);
if (failure !== undefined) {
  process.stderr.write(
    `the story could not be told to its end: ${failure instanceof Error ? failure.message : JSON.stringify(failure)}\nlogs are kept in ${federation.dir}\n`,
  );
}

if (keep) {
  const kubeconfig = federation.hubCluster.kubeconfig;
  process.stdout.write(
    [
      'Everything stays up until Ctrl-C. In another terminal:',
      '',
      `  export KUBECONFIG=${kubeconfig}`,
      `  alias lumbung='node ${resolve('dist/cli.js')}'`,
      '',
      'The members:',
      ...[...federation.members.values()].map((member) => `  KUBECONFIG=${member.kubeconfig} kubectl get pods -A`),
      '',
    ].join('\n'),
  );
  await new Promise<void>((done) => {
    process.once('SIGINT', () => {
      done();
    });
    process.once('SIGTERM', () => {
      done();
    });
  });
}

await federation.stop({ keepFiles: failure !== undefined });
await store.stop();
process.exitCode = kept ? 0 : 1;
