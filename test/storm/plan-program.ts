import { temporaryName } from './names.ts';
import { newContent, nextNumber, type Planned } from './planned.ts';
import type { Random } from './random.ts';
import type { Content, Step } from './step.ts';

/** Twice as long as a file has to be quiet until it is exported. */
export const STALL_MS = 4_000;

/** One of the things that only a program does: it holds files open, and more than one session. */
export function planProgramStep(random: Random, planned: Planned, path: string, content: Content): Step[] {
  const put: Step = { kind: 'put', path, content };
  const another = () => newContent(random, planned);
  switch (random.below(9)) {
    case 0:
      return [{ kind: 'remove-open', path, content }];
    case 1: {
      const to = `/upload/renamed-${nextNumber(planned)}.csv`;
      planned.whole.push(to);
      return [{ kind: 'rename-open', path, to, content }];
    }
    case 2:
    case 3: {
      planned.whole.push(path);
      const before = random.chance(0.5) ? content.size : random.below(content.size);
      const overlap = {
        contents: [content, another()] as const,
        before,
        closesFirst: random.pick<0 | 1>([0, 1]),
      };
      return [{ kind: 'overlap', path, byOther: random.chance(0.5), ...overlap }];
    }
    case 4:
      planned.whole.push(path);
      return [{ kind: 'in-turn', path, contents: [content, another(), another()] }];
    case 5:
      planned.whole.push(path);
      return [{ kind: 'send-again', path, content: { ...content, size: content.size + 1 } }];
    case 6:
      planned.whole.push(path);
      return [{ ...put, readsBack: true }];
    case 7:
      planned.whole.push(path);
      return [{ ...put, temporary: temporaryName(random, path), renamedByOther: true }];
    default:
      planned.whole.push(path);
      return [
        random.chance(0.5) ? { ...put, stallMs: STALL_MS, stallsAt: random.pick(['middle', 'end']) } : put,
      ];
  }
}
