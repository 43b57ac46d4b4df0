import { expect, it } from 'vitest';
import { orderMaintenance } from '../../../agent/mount/maintenance.ts';
import { STATUS } from '../status-fixture.ts';

/** A watch whose partner sshd is stopped after so many ms. */
function watch(stopTakesMs: number) {
  let clock = 0;
  const ordered: boolean[] = [];
  return {
    ordered,
    order: async (on: boolean) => {
      const report = await orderMaintenance(
        on,
        {
          setMaintenance: (to) => ordered.push(to),
          report: () => ({ ...STATUS.mount, serving: false, refused: clock >= stopTakesMs }),
          tickNow: async () => {},
        },
        {
          monotonicMs: () => clock,
          sleep: async (ms) => {
            clock += ms;
          },
        },
      );
      return { report, seconds: clock / 1000 };
    },
  };
}

it('answers when partners are refused, not before', async () => {
  const { order, ordered } = watch(9_000);
  expect(await order(true)).toMatchObject({ report: { refused: true }, seconds: 9 });
  expect(ordered).toEqual([true]);
});

it('answers within a minute where the partner sshd can’t be stopped, and does not claim that it is', async () => {
  const { report, seconds } = await watch(Infinity).order(true);
  expect(report.refused).toBe(false);
  expect(seconds).toBeLessThanOrEqual(60);
});

it('does not wait for anything when it ends', async () => {
  expect((await watch(Infinity).order(false)).seconds).toBe(0);
});
