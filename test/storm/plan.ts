import { fileName, temporaryName } from './names.ts';
import type { Random } from './random.ts';
import type { ClientKind, Content, Step, Visit } from './step.ts';

const CLIENTS: readonly ClientKind[] = ['openssh', 'ssh2', 'lftp', 'paramiko'];
/** Where the disk is small; see the weather. */
export const SMALL_DIRECTORY = '/upload/small';

/** Names that only a program can send. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
const HARD_TO_SEND = /[\x00-\x1f"\\]/;

/** A partner's files while the plan is made, so that later steps have something to work on. */
interface Planned {
  number: number;
  seed: number;
  readonly whole: string[];
}

/** What a partner will do: visits with at least so many uploads in all. */
export function planVisits(random: Random, uploads: number): Visit[] {
  const planned: Planned = { number: 0, seed: random.between(1, 1 << 30), whole: [] };
  const visits: Visit[] = [];
  let left = uploads;
  while (left > 0) {
    const client = random.pick(CLIENTS);
    const steps: Step[] = [];
    const size = Math.min(left, random.between(3, 30));
    while (uploadsIn(steps) < size) steps.push(...planSteps(random, client, planned));
    left -= uploadsIn(steps);
    visits.push(...broken(random, client, planned, steps));
  }
  return visits;
}

export function uploadsIn(steps: readonly Step[]): number {
  const kinds: readonly Step['kind'][] = ['put', 'append', 'interrupt', 'resume', 'vanish', 'overflow'];
  return steps.filter(({ kind }) => kinds.includes(kind)).length;
}

/** Now and then a visit ends in the middle of an upload, and the next one sends the rest, or all of it again. */
function broken(random: Random, client: ClientKind, planned: Planned, steps: readonly Step[]): Visit[] {
  const visit = { client, steps };
  if (random.chance(0.5)) return [visit];
  const path = newPath(random, client, planned);
  const content = newContent(random, planned, random.between(300_000, 900_000));
  const kind = random.chance(0.6) ? 'interrupt' : 'vanish';
  const again = random.pick(CLIENTS);
  const rest: Step =
    random.chance(0.5) && kind === 'interrupt'
      ? { kind: 'resume', path, content }
      : { kind: 'put', path, content: newContent(random, planned) };
  // A name that only a program can send is resumed by a program.
  const resumer = HARD_TO_SEND.test(path) ? client : again;
  const last: Visit[] = random.chance(0.8) ? [{ client: resumer, steps: [rest] }] : [];
  if (last.length > 0) planned.whole.push(path);
  return [{ client, steps: [...steps, { kind, path, content }] }, ...last];
}

function planSteps(random: Random, client: ClientKind, planned: Planned): Step[] {
  const isProgram = client === 'ssh2' || client === 'paramiko';
  const known = planned.whole.filter((path) => isProgram || !HARD_TO_SEND.test(path));
  const old = known.length > 0 ? random.pick(known) : undefined;
  const path = newPath(random, client, planned);
  const content = newContent(random, planned);
  const put: Step = { kind: 'put', path, content };
  const forget = (gone: string) => planned.whole.splice(planned.whole.indexOf(gone), 1);
  switch (random.below(20)) {
    case 0:
    case 1:
    case 2:
      planned.whole.push(path);
      return [{ ...put, temporary: temporaryName(random, path) }];
    case 3:
      planned.whole.push(path);
      return [{ ...put, content: { ...content, size: 0 } }];
    case 4:
    case 5:
      if (old !== undefined) return [{ kind: 'put', path: old, content }];
      break;
    case 6: {
      // The same size each time: only what is in them tells them apart.
      planned.whole.push(path);
      const other = newContent(random, planned);
      return [put, { ...put, content: { ...other, size: content.size } }];
    }
    case 7:
      if (isProgram && old !== undefined) return [{ kind: 'append', path: old, content }];
      break;
    case 8:
      if (old !== undefined) return [{ kind: 'get', path: old }];
      break;
    case 9:
      if (old !== undefined) {
        forget(old);
        return [{ kind: 'remove', path: old }];
      }
      break;
    case 10:
      return [put, { kind: 'remove', path }];
    case 11: {
      // Not a long one: sshd cuts what two long names on one line are, and then nobody can know the new one.
      const to = `/upload/renamed-${nextNumber(planned)}.csv`;
      planned.whole.push(to);
      return [put, { kind: 'rename', from: path, to }];
    }
    case 12: {
      const directory = `/upload/d${nextNumber(planned)}`;
      const inside = { ...put, path: `${directory}/inside.txt` };
      planned.whole.push(`${directory}-done/inside.txt`);
      return [
        { kind: 'mkdir', path: directory },
        inside,
        { kind: 'rename', from: directory, to: `${directory}-done` },
      ];
    }
    case 13:
      return [{ kind: 'trespass', path: `/forbidden-${nextNumber(planned)}` }];
    case 14:
      if (isProgram && random.chance(0.3)) {
        planned.whole.push(path);
        return [{ ...put, stallMs: 4_000 }];
      }
      break;
    case 15:
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

const nextNumber = (planned: Planned): number => {
  planned.number += 1;
  return planned.number;
};

function newPath(random: Random, client: ClientKind, planned: Planned): string {
  return `/upload/${fileName(random, client, nextNumber(planned))}`;
}

/** Most files are small, as partners' are; a few are large enough to be under way when something happens. */
function newContent(random: Random, planned: Planned, size?: number): Content {
  planned.seed += 1;
  const usual = random.chance(0.9) ? random.between(1, 20_000) : random.between(20_000, 1_500_000);
  return { seed: planned.seed, size: size ?? usual };
}
