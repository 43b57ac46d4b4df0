import { expect, it } from 'vitest';
import { createGate } from '../storm/gate.ts';
import { isHardToSend } from '../storm/names.ts';
import { planVisits } from '../storm/plan.ts';
import { createRandom } from '../storm/random.ts';
import { isProgram, overlaid, pathsOf, type Step, uploadsIn } from '../storm/step.ts';

const SEEDS = [1, 7, 42, 2_026];
const planOf = (seed: number, uploads = 2_000) => planVisits(createRandom(seed), uploads);
const stepsOf = (seed: number) =>
  planOf(seed)
    .flat()
    .flatMap(({ steps }) => steps);

it.each(SEEDS)('plans the same for the same seed: %d', (seed) => {
  const plan = JSON.stringify(planOf(seed, 500));
  expect(JSON.stringify(planOf(seed, 500))).toBe(plan);
  expect(JSON.stringify(planOf(seed + 1, 500))).not.toBe(plan);
});

it.each(SEEDS)('plans as many uploads as were asked for, of every kind, by every client: %d', (seed) => {
  const steps = stepsOf(seed);
  expect(uploadsIn(steps)).toBeGreaterThanOrEqual(2_000);
  expect([...new Set(steps.map(({ kind }) => kind))].sort()).toEqual([
    'append',
    'get',
    'in-turn',
    'interrupt',
    'mkdir',
    'overflow',
    'overlap',
    'put',
    'remove',
    'remove-open',
    'rename',
    'rename-open',
    'resume',
    'send-again',
    'trespass',
    'vanish',
  ]);
  const clients = new Set(
    planOf(seed)
      .flat()
      .map(({ client }) => client),
  );
  expect(clients).toEqual(new Set(['openssh', 'scp', 'ssh2', 'lftp', 'paramiko']));
  const stalls = steps.flatMap((step) => ('stallsAt' in step ? [step.stallsAt] : []));
  expect(new Set(stalls)).toEqual(new Set(['middle', 'end']));
  const isTemporary = (step: Step) => 'path' in step && /\.(part|filepart|tmp)$/.test(step.path);
  for (const kind of ['put', 'interrupt', 'vanish'])
    expect(steps.filter((step) => step.kind === kind).some(isTemporary), kind).toBe(true);
});

it.each(SEEDS)('lets sessions that are open at once have different files, and none break off: %d', (seed) => {
  const rounds = planOf(seed).filter(({ length }) => length > 1);
  expect(rounds.length).toBeGreaterThan(5);
  for (const round of rounds) {
    const paths = round.map(
      ({ steps }) => new Set(steps.flatMap((step) => ['path' in step ? step.path : '', ...pathsOf(step)])),
    );
    for (const [index, mine] of paths.entries())
      for (const others of paths.slice(index + 1))
        expect([...mine].filter((path) => path !== '' && others.has(path))).toEqual([]);
    const kinds = round.flatMap(({ steps }) => steps.map(({ kind }) => kind));
    expect(kinds.filter((kind) => kind === 'interrupt' || kind === 'vanish' || kind === 'resume')).toEqual(
      [],
    );
  }
});

it.each(SEEDS)('asks no client for what it can’t do: %d', (seed) => {
  const program = ['append', 'in-turn', 'overlap', 'remove-open', 'rename-open', 'send-again'];
  const wrong: unknown[] = [];
  const scp = ['get', 'interrupt', 'overflow', 'put', 'resume', 'trespass', 'vanish'];
  for (const { client, steps } of planOf(seed).flat()) {
    if (isProgram(client)) continue;
    for (const step of steps) {
      const isOdd =
        program.includes(step.kind) ||
        pathsOf(step).some(isHardToSend) ||
        (client === 'scp' && (!scp.includes(step.kind) || 'temporary' in step));
      if (isOdd) wrong.push({ client, step });
    }
  }
  expect(wrong).toEqual([]);
});

it('knows what a file holds that was open twice', () => {
  const [first, second] = [Buffer.from('abcdef'), Buffer.from('XY')];
  expect(overlaid(first, second, 6).toString()).toBe('XY');
  expect(overlaid(first, second, 3).toString()).toBe('XY\0def');
  expect(overlaid(first, Buffer.from('123456789'), 3).toString()).toBe('123def789');
});

it('closes a gate when those inside are done, and lets the others in when it is open', async () => {
  const gate = createGate();
  const done: string[] = [];
  let leave = () => {};
  const inside = gate.pass(
    () =>
      new Promise<void>((resolve) => {
        leave = () => {
          done.push('inside');
          resolve();
        };
      }),
  );
  const closed = gate.close().then(() => done.push('closed'));
  const late = gate.pass(async () => done.push('late'));
  leave();
  await Promise.all([inside, closed]);
  expect(done).toEqual(['inside', 'closed']);
  gate.open();
  await late;
  expect(done).toEqual(['inside', 'closed', 'late']);
  await gate.close();
});
