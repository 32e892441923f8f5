import { afterEach, describe, expect, it } from 'vitest';
import { observeState } from '../../../src/hub/observe/state-metrics.ts';
import { HubRig } from '../../support/hub-rig.ts';

let rig: HubRig;
afterEach(async () => {
  await rig.kill();
});

describe('metrics from the state', () => {
  it('shows GPUs, members and jobs as they are, and drops what is gone', async () => {
    rig = await new HubRig().lead();
    observeState({
      state: rig.state,
      clock: rig.clock,
      metrics: rig.metrics,
      build: { version: '1.2.3', commit: 'abc' },
    });
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train', { gpusPerWorker: 2 });
    await rig.pass(300);
    member.obey('Running');
    await rig.pass(300);
    const page = await rig.metrics.expose();
    const gpu = 'member_cluster="member-a",pool="research",vendor="nvidia",gpu_model="H100-80GB"';
    expect(page).toContain(`lumbung_gpus{${gpu},state="lent"} 2`);
    expect(page).toContain(`lumbung_gpus{${gpu},state="idle"} 6`);
    expect(page).toContain(`lumbung_gpus_offered{${gpu}} 6`);
    expect(page).toContain('lumbung_jobs{pool="research",tenant="team-a",phase="Running"} 1');
    expect(page).toContain('lumbung_member_cluster_ready{member_cluster="member-a"} 1');
    expect(page).toContain('lumbung_mass_expiry_guard_active 0');
    expect(page).toContain('lumbung_build_info{version="1.2.3",commit="abc",component="hub"} 1');
    expect(page).toContain('lumbung_dispatches_total{member_cluster="member-a"} 1');
    expect(page).toMatch(/lumbung_agent_last_report_timestamp_seconds\{member_cluster="member-a"\} 17\d+/);
    member.endAll();
    await rig.pass(300);
    expect(await rig.metrics.expose()).toContain('lumbung_jobs_completed_total{result="Succeeded"} 1');
    rig.kube.delete('computejobs', 'train', 'team-a');
    rig.kube.delete('memberclusters', 'member-a');
    await rig.pass(1000);
    const after = await rig.metrics.expose();
    expect(after).not.toMatch(/lumbung_(gpus|jobs|member_cluster_ready|member_cluster_info)\{/);
  });
});
