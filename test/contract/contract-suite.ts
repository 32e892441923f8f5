/** The whole contract against one target. */
import { afterAll, beforeAll, describe } from 'vitest';
import { changeContract } from './changes.contract.ts';
import { type ContractEnv, startEnv } from './contract-env.ts';
import type { ContractTarget } from './contract-target.ts';
import { extensionContract } from './extension.contract.ts';
import { lifecycleContract } from './lifecycle.contract.ts';
import { objectContract } from './objects.contract.ts';

export function describeContract(target: ContractTarget): void {
  describe(`what clients of ${target.name} may rely on`, () => {
    let env: ContractEnv | undefined;
    const running = (): ContractEnv => {
      if (env === undefined) throw new Error('the target is not running');
      return env;
    };

    beforeAll(async () => {
      env = await startEnv(target);
    });

    afterAll(async () => {
      await env?.stop();
    });

    objectContract(running);
    changeContract(running);
    lifecycleContract(running);
    extensionContract(running);
  });
}
