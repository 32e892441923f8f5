import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { createApiServer } from '../../src/sandbox/apiserver/api-server.ts';
import { describeContract } from './contract-suite.ts';

describeContract({
  name: "the sandbox's API server",
  start: async () => {
    const server = createApiServer({ clock: systemClock(), random: systemRandom() });
    // Its certificates come with the first socket, and the CA bundle of namespaces with them.
    await server.listen();
    return {
      admin: server.transport(),
      as: (user, groups) => Promise.resolve(server.transport({ user, groups })),
      stop: () => server.stop(),
    };
  },
});
