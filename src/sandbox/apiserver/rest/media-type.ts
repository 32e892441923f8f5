/** Content negotiation: which form of answer a client takes, in its order of preference. */
import { notAcceptable } from '../status-error.ts';

export type Presentation = 'object' | 'table' | 'metadata';

interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

function parseAccept(accept: string): MediaRange[] {
  return accept.split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    const parameters = Object.fromEntries(
      rest.map((piece) => {
        const at = piece.indexOf('=');
        return at < 0 ? [piece, ''] : [piece.slice(0, at), piece.slice(at + 1)];
      }),
    );
    return { type, parameters };
  });
}

const JSON_RANGES: ReadonlySet<string> = new Set(['application/json', 'application/*', '*/*', '']);

/** How to present objects to a client with this Accept header. JSON is the only encoding of answers. */
export function presentationFor(accept: string | undefined): Presentation {
  if (accept === undefined || accept === 'application/json') return 'object';
  for (const { type, parameters } of parseAccept(accept)) {
    if (!JSON_RANGES.has(type)) continue;
    const as = parameters['as'];
    if (as === undefined) return 'object';
    if (parameters['g'] !== 'meta.k8s.io' || parameters['v'] !== 'v1') continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  throw notAcceptable(['application/json']);
}

/** Whether the client asks for discovery in the aggregated form. */
export function wantsAggregatedDiscovery(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  return parseAccept(accept).some(
    ({ type, parameters }) =>
      type === 'application/json' &&
      parameters['as'] === 'APIGroupDiscoveryList' &&
      parameters['g'] === 'apidiscovery.k8s.io' &&
      parameters['v'] === 'v2',
  );
}

export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}
