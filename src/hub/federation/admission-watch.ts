/** Ends open sessions of members that may no longer speak: revocation counts at once, not at the next connection. */
import type { MemberName } from '../../core/model/ids.ts';
import type { Fleet } from '../state/fleet.ts';
import type { SessionRegistry } from './session-registry.ts';

/** Looks at one member's session again; called when the operator's word about it changed. */
export function reviewSession(
  member: MemberName,
  deps: { readonly fleet: Fleet; readonly sessions: SessionRegistry },
): void {
  const session = deps.sessions.get(member);
  if (session === undefined) return;
  const admission = deps.fleet.admission(member);
  switch (admission.kind) {
    case 'Accepted':
    case 'DeclaredLost':
      if (admission.jurisdiction !== session.jurisdiction) {
        session.end(
          'NotAccepted',
          `${member} is accepted for jurisdiction ${admission.jurisdiction}; its certificate says ${session.jurisdiction}`,
          30_000,
        );
      }
      return;
    case 'Revoked':
      session.end('Revoked', `member ${member} was revoked`, 60_000);
      return;
    case 'NotAccepted':
    case 'Unknown':
      session.end('NotAccepted', `member ${member} is not accepted by this hub`, 10_000);
      return;
  }
}
