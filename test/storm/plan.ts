import { isHardToSend, temporaryName } from './names.ts';
import { planChange } from './plan-change.ts';
import { planProgramStep, STALL_MS } from './plan-program.ts';
import { newContent, newPath, nextNumber, type Planned } from './planned.ts';
import type { Random } from './random.ts';
import { type ClientKind, isProgram, type Round, type Step, uploadsIn, type Visit } from './step.ts';

const CLIENTS: readonly ClientKind[] = ['openssh', 'scp', 'ssh2', 'lftp', 'paramiko'];
/** Where the disk is small; see the weather. */
export const SMALL_DIRECTORY = '/upload/small';

/** What a partner will do: rounds with at least so many uploads in all. */
export function planVisits(random: Random, uploads: number): Round[] {
  const planned: Planned = { number: 0, seed: random.between(1, 1 << 30), whole: [] };
  const rounds: Round[] = [];
  let left = uploads;
  while (left > 0) {
    const made = random.chance(0.2) ? [planBeside(random, planned, left)] : planAlone(random, planned, left);
    for (const { steps } of made.flat()) left -= uploadsIn(steps);
    rounds.push(...made);
  }
  return rounds;
}

function planVisit(random: Random, planned: Planned, uploads: number): Visit {
  const client = random.pick(CLIENTS);
  const steps: Step[] = [];
  const size = Math.min(uploads, random.between(3, 30));
  while (uploadsIn(steps) < size) steps.push(...planSteps(random, client, planned));
  return { client, steps };
}

function planAlone(random: Random, planned: Planned, uploads: number): Round[] {
  const visit = planVisit(random, planned, uploads);
  return broken(random, planned, visit).map((each) => [each]);
}

/** Two or three sessions at once, each with files of its own. */
function planBeside(random: Random, planned: Planned, uploads: number): Round {
  const count = random.between(2, 3);
  const hands: string[][] = Array.from({ length: count }, () => []);
  for (const path of planned.whole.splice(0)) random.pick(hands).push(path);
  return hands.map((whole) => {
    const own: Planned = { ...planned, whole };
    const visit = planVisit(random, own, Math.ceil(uploads / count));
    Object.assign(planned, { number: own.number, seed: own.seed });
    planned.whole.push(...own.whole);
    return visit;
  });
}

/** Now and then a visit ends in the middle of an upload, and the next one sends the rest, or all of it again. */
function broken(random: Random, planned: Planned, visit: Visit): Visit[] {
  if (random.chance(0.5)) return [visit];
  const { client, steps } = visit;
  const final = newPath(random, client, planned);
  const temporary = random.chance(0.3) && client !== 'scp' ? temporaryName(random, final) : undefined;
  const path = temporary ?? final;
  const content = newContent(random, planned, random.between(300_000, 900_000));
  const kind = random.chance(0.6) ? 'interrupt' : 'vanish';
  const again = random.pick(CLIENTS.filter((each) => each !== 'scp' || temporary === undefined));
  const rest: Step =
    random.chance(0.5) && kind === 'interrupt' && temporary === undefined
      ? { kind: 'resume', path, content }
      : { kind: 'put', path: final, content: newContent(random, planned), ...(temporary && { temporary }) };
  // A name that only a program can send is sent again by a program.
  const sender = isHardToSend(path) ? client : again;
  // Or it is never sent again: of a temporary name, that stays what there is.
  const last: Visit[] = random.chance(0.8) ? [{ client: sender, steps: [rest] }] : [];
  if (last.length > 0) planned.whole.push(final);
  return [{ client, steps: [...steps, { kind, path, content }] }, ...last];
}

function planSteps(random: Random, client: ClientKind, planned: Planned): Step[] {
  const known = planned.whole.filter((path) => isProgram(client) || !isHardToSend(path));
  const old = known.length > 0 ? random.pick(known) : undefined;
  const path = newPath(random, client, planned);
  const content = newContent(random, planned);
  const put: Step = { kind: 'put', path, content };
  const sort = random.below(30);
  if (sort >= 20 && isProgram(client)) return planProgramStep(random, planned, path, content);
  if (sort < 10 && client !== 'scp') {
    const steps = planChange(random, planned, sort, put, old);
    if (steps !== undefined) return steps;
  }
  switch (sort) {
    case 10:
      planned.whole.push(path);
      return [{ ...put, content: { ...content, size: 0 } }];
    case 11:
    case 12:
      if (old !== undefined) return [{ kind: 'put', path: old, content }];
      break;
    case 13: {
      // The same size each time: only what is in them tells them apart.
      planned.whole.push(path);
      const other = newContent(random, planned);
      return [put, { ...put, content: { ...other, size: content.size } }];
    }
    case 14:
      if (isProgram(client) && old !== undefined)
        return [{ kind: 'append', path: old, content, ...(random.chance(0.2) && { stallMs: STALL_MS }) }];
      break;
    case 15:
      if (old !== undefined) return [{ kind: 'get', path: old }];
      break;
    case 16:
      return [{ kind: 'trespass', path: `/forbidden-${nextNumber(planned)}` }];
    case 17:
      // A whole file that nobody renames; no later step touches it, which would settle its name.
      return [{ ...put, path: temporaryName(random, path) }];
    case 18:
      if (random.chance(0.3)) {
        const name = `${SMALL_DIRECTORY}/overflow-${nextNumber(planned)}`;
        return [{ kind: 'overflow', path: name, content: newContent(random, planned, 700_000) }];
      }
      break;
    default:
  }
  planned.whole.push(path);
  return [put];
}
