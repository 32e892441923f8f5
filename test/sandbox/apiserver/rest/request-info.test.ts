import { describe, expect, it } from 'vitest';
import { readRequest } from '../../../../src/sandbox/apiserver/rest/request-info.ts';

describe('reading requests', () => {
  it.each([
    ['GET', '/api/v1/pods', false, { verb: 'list', group: '', resource: 'pods', namespace: '', name: '' }],
    ['GET', '/api/v1/pods', true, { verb: 'watch' }],
    ['GET', '/api/v1/namespaces', false, { verb: 'list', resource: 'namespaces', namespace: '', name: '' }],
    ['DELETE', '/api/v1/namespaces/a', false, { verb: 'delete', resource: 'namespaces', namespace: 'a', name: 'a' }],
    [
      'PUT',
      '/api/v1/namespaces/a/finalize',
      false,
      { verb: 'update', resource: 'namespaces', subresource: 'finalize', name: 'a' },
    ],
    [
      'POST',
      '/api/v1/namespaces/a/pods/b/binding',
      false,
      { verb: 'create', resource: 'pods', subresource: 'binding', namespace: 'a', name: 'b' },
    ],
    [
      'PATCH',
      '/apis/batch/v1/namespaces/a/jobs/j/status',
      false,
      { verb: 'patch', group: 'batch', version: 'v1', subresource: 'status' },
    ],
    ['DELETE', '/apis/batch/v1/namespaces/a/jobs', false, { verb: 'deletecollection', namespace: 'a' }],
    ['GET', '/apis/x.y/v1/namespaces/a/things/n/log/more/path', false, { subresource: 'log', rest: 'more/path' }],
    ['GET', '/api/v1/namespaces/a/configmaps/with%3Acolon', false, { name: 'with:colon' }],
  ])('%s %s', (method, path, watching, want) => {
    expect(readRequest(method, path, watching)).toMatchObject({ kind: 'resource', ...want });
  });

  it.each(['/version', '/api', '/apis/batch', '/apis/batch/v1', '/', '/openapi/v3/api/v1'])(
    '%s names no object',
    (path) => {
      expect(readRequest('GET', path, false)).toEqual({ kind: 'plain', verb: 'get', path });
    },
  );
});
