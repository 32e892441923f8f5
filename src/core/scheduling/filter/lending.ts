/** Does the owner lend at all now? The policy's own state and sentence say why not. */
import type { MemberFilter } from './member-filter.ts';

export const lending: MemberFilter = ({ member: { policy } }) =>
  policy.state === 'Lending' ? undefined : { kind: 'NotLending', state: policy.state, detail: policy.message };
