/** Deletion: preconditions, finalizers, grace, owner references, namespaces. */
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { MERGE } from './contract-client.ts';
import { configMap, type EnvGetter, idleJob, idlePod } from './contract-env.ts';

function owner(
  object: { apiVersion: string; kind: string; metadata: { name: string; uid: string } },
  block = false,
): object {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    name: metadata.name,
    uid: metadata.uid,
    ...(block ? { blockOwnerDeletion: true, controller: true } : {}),
  };
}

function deletionContract(env: EnvGetter): void {
  describe('deleting', () => {
    it('answers with a Status that names what is gone', async () => {
      const { admin, core } = env();
      const { body: created } = await admin.post(`${core}/configmaps`, configMap('bye'));
      const { status, body } = await admin.delete(`${core}/configmaps/bye`);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        kind: 'Status',
        status: 'Success',
        details: { name: 'bye', kind: 'configmaps', uid: created.metadata.uid },
      });
      expect((await admin.get(`${core}/configmaps/bye`)).status).toBe(404);
    });

    it('honours preconditions on uid and revision', async () => {
      const { admin, core } = env();
      const { body } = await admin.post(`${core}/configmaps`, configMap('guarded'));
      const wrong = await admin.delete(`${core}/configmaps/guarded`, {
        preconditions: { uid: '00000000-0000-0000-0000-000000000000' },
      });
      expect(wrong.status).toBe(409);
      expect(wrong.body.message).toContain('Precondition failed: UID in precondition');
      const right = await admin.delete(`${core}/configmaps/guarded`, { preconditions: { uid: body.metadata.uid } });
      expect(right.status).toBe(200);
    });

    it('waits for finalizers, and adds none to an object on its way out', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/held`;
      await admin.post(`${core}/configmaps`, configMap('held', {}, { finalizers: ['example.com/hold'] }));
      const { status, body } = await admin.delete(path);
      expect(status).toBe(200);
      expect(body.metadata.deletionTimestamp).toBeDefined();
      expect((await admin.get(path)).body.metadata.finalizers).toEqual(['example.com/hold']);
      const added = await admin.patch(
        path,
        { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } },
        MERGE,
      );
      expect(added.status).toBe(422);
      await admin.patch(path, { metadata: { finalizers: null } }, MERGE);
      expect((await admin.get(path)).status).toBe(404);
    });

    it('deletes a pod that no kubelet runs at once', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/pods`, idlePod('unplaced'));
      const { status } = await admin.delete(`${core}/pods/unplaced`);
      expect(status).toBe(200);
      expect((await admin.get(`${core}/pods/unplaced`)).status).toBe(404);
    });

    it('gives a placed pod its grace and lets a second delete shorten it', async () => {
      const { admin, core } = env();
      await admin.post(
        `${core}/pods`,
        idlePod('placed', {}, { nodeSelector: undefined, schedulerName: 'contract-nobody' }),
      );
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'placed' },
        target: { kind: 'Node', name: 'contract-nowhere' },
      };
      expect((await admin.post(`${core}/pods/placed/binding`, binding)).status).toBe(201);
      expect((await admin.post(`${core}/pods/placed/binding`, binding)).status).toBe(409);
      const { body } = await admin.delete(`${core}/pods/placed`, { gracePeriodSeconds: 20 });
      expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 20 });
      await admin.delete(`${core}/pods/placed`, { gracePeriodSeconds: 0 });
      expect((await admin.get(`${core}/pods/placed`)).status).toBe(404);
    });

    it('deletes collections by selector', async () => {
      const { admin, core } = env();
      for (const name of ['many-1', 'many-2'])
        await admin.post(`${core}/configmaps`, configMap(name, {}, { labels: { many: 'yes' } }));
      await admin.post(`${core}/configmaps`, configMap('many-3'));
      await admin.delete(`${core}/configmaps?labelSelector=${encodeURIComponent('many=yes')}`);
      const { body } = await admin.get(`${core}/configmaps`);
      const names = body.items.map((item) => item.metadata.name);
      expect(names).toContain('many-3');
      expect(names).not.toContain('many-1');
    });
  });
}

function ownerContract(env: EnvGetter): void {
  describe('owner references', () => {
    it('removes dependents in the background once the owner is gone', async () => {
      const { admin, core } = env();
      const { body: parent } = await admin.post(`${core}/configmaps`, configMap('parent'));
      await admin.post(`${core}/configmaps`, configMap('child', {}, { ownerReferences: [owner(parent)] }));
      await admin.delete(`${core}/configmaps/parent`, { propagationPolicy: 'Background' });
      await eventually(async () => (await admin.get(`${core}/configmaps/child`)).status === 404, {
        what: 'the child is collected',
      });
    });

    it('removes dependents first in the foreground', async () => {
      const { admin, core } = env();
      const { body: parent } = await admin.post(`${core}/configmaps`, configMap('fore'));
      await admin.post(
        `${core}/configmaps`,
        configMap('fore-child', {}, { ownerReferences: [owner(parent, true)], finalizers: ['example.com/slow'] }),
      );
      await admin.delete(`${core}/configmaps/fore`, { propagationPolicy: 'Foreground' });
      await eventually(
        async () => (await admin.get(`${core}/configmaps/fore-child`)).body.metadata.deletionTimestamp !== undefined,
        { what: 'the child is told' },
      );
      const waiting = await admin.get(`${core}/configmaps/fore`);
      expect(waiting.body.metadata.finalizers).toEqual(['foregroundDeletion']);
      await admin.patch(`${core}/configmaps/fore-child`, { metadata: { finalizers: null } }, MERGE);
      await eventually(async () => (await admin.get(`${core}/configmaps/fore`)).status === 404, {
        what: 'the owner follows',
      });
    });

    it('orphans when asked to, and for Jobs when not told otherwise', async () => {
      const { admin, core, namespace } = env();
      const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      const { body: job } = await admin.post(jobs, idleJob('orphaner'));
      await admin.post(`${core}/configmaps`, configMap('orphan', {}, { ownerReferences: [owner(job)] }));
      await admin.delete(`${jobs}/orphaner`);
      await eventually(async () => (await admin.get(`${jobs}/orphaner`)).status === 404, { what: 'the Job is gone' });
      const { status, body } = await admin.get(`${core}/configmaps/orphan`);
      expect(status).toBe(200);
      expect(body.metadata.ownerReferences).toBeUndefined();
    });

    it('keeps an object while one of its owners lives', async () => {
      const { admin, core } = env();
      const { body: first } = await admin.post(`${core}/configmaps`, configMap('first'));
      const { body: second } = await admin.post(`${core}/configmaps`, configMap('second'));
      await admin.post(`${core}/configmaps`, configMap('both', {}, { ownerReferences: [owner(first), owner(second)] }));
      await admin.delete(`${core}/configmaps/first`, { propagationPolicy: 'Background' });
      await eventually(
        async () => (await admin.get(`${core}/configmaps/both`)).body.metadata.ownerReferences.length === 1,
        { what: 'the dead owner is struck off' },
      );
      expect((await admin.get(`${core}/configmaps/both`)).body.metadata.ownerReferences[0]?.name).toBe('second');
    });
  });
}

function namespaceContract(env: EnvGetter): void {
  describe('namespaces', () => {
    it('come with a default service account and the CA bundle, and labelled with their name', async () => {
      const { admin, namespace, core } = env();
      const { body } = await admin.get(`/api/v1/namespaces/${namespace}`);
      expect(body.metadata.labels['kubernetes.io/metadata.name']).toBe(namespace);
      expect(body.status.phase).toBe('Active');
      expect((await admin.get(`${core}/serviceaccounts/default`)).status).toBe(200);
      await eventually(async () => (await admin.get(`${core}/configmaps/kube-root-ca.crt`)).status === 200, {
        what: 'the CA bundle',
      });
    });

    it('empty themselves before they go, and take nothing new meanwhile', async () => {
      const { admin, namespace } = env();
      const name = `${namespace}-ending`;
      await admin.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      const inside = `/api/v1/namespaces/${name}/configmaps`;
      await admin.post(inside, configMap('stays', {}, { finalizers: ['example.com/hold'] }));
      await admin.delete(`/api/v1/namespaces/${name}`);
      await eventually(async () => (await admin.get(`${inside}/stays`)).body.metadata.deletionTimestamp !== undefined, {
        what: 'contents are deleted',
      });
      const refused = await admin.post(inside, configMap('late'));
      expect(refused.status).toBe(403);
      expect(refused.body.message).toContain(
        `unable to create new content in namespace ${name} because it is being terminated`,
      );
      expect((await admin.get(`/api/v1/namespaces/${name}`)).body.status.phase).toBe('Terminating');
      await admin.patch(`${inside}/stays`, { metadata: { finalizers: null } }, MERGE);
      await eventually(async () => (await admin.get(`/api/v1/namespaces/${name}`)).status === 404, {
        what: 'the namespace is gone',
      });
    });
  });
}

export function lifecycleContract(env: EnvGetter): void {
  deletionContract(env);
  ownerContract(env);
  namespaceContract(env);
}
