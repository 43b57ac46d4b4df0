import { describe, expect, it } from 'vitest';
import { judge } from '../../../agent/commands/doctor-checks.ts';
import { STATUS } from '../status-fixture.ts';

describe('the agent’s own verdict', () => {
  it('is believed while the agent says it', () => {
    expect(judge(STATUS, STATUS.at + 2_000)).toMatchObject({
      ok: true,
      detail: 'healthy; mount healthy: answers',
    });
  });

  it('is not believed once the agent is dead or stuck, and its age is told', () => {
    const found = judge(STATUS, STATUS.at + 3_600_000);
    expect(found).toMatchObject({ ok: false, hint: expect.stringMatching(/systemctl status/) });
    expect(found.detail).toMatch(/^its last word was 60 min ago: healthy/);
  });

  it('is missing on a host where it never ran', () => {
    expect(judge(undefined, STATUS.at)).toMatchObject({ ok: false });
  });
});
