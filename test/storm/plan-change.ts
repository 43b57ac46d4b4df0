import { temporaryName } from './names.ts';
import { nextNumber, type Planned } from './planned.ts';
import type { Random } from './random.ts';
import type { Step } from './step.ts';

/** What does something to names, which scp can't. @returns undefined where there is nothing to do it to */
export function planChange(
  random: Random,
  planned: Planned,
  sort: number,
  put: Extract<Step, { kind: 'put' }>,
  old: string | undefined,
): Step[] | undefined {
  const { path } = put;
  switch (sort) {
    case 0:
    case 1:
    case 2:
    case 3:
      planned.whole.push(path);
      return [{ ...put, temporary: temporaryName(random, path) }];
    case 4:
    case 5:
      if (old === undefined) return undefined;
      planned.whole.splice(planned.whole.indexOf(old), 1);
      return [{ kind: 'remove', path: old }];
    case 6:
      return [put, { kind: 'remove', path }];
    case 7:
    case 8: {
      // Not a long one: sshd cuts what two long names on one line are, and then nobody can know the new one.
      const to = `/upload/renamed-${nextNumber(planned)}.csv`;
      planned.whole.push(to);
      return [put, { kind: 'rename', from: path, to }];
    }
    default: {
      const directory = `/upload/d${nextNumber(planned)}`;
      const inside = { ...put, path: `${directory}/inside.txt` };
      planned.whole.push(`${directory}-done/inside.txt`);
      return [
        { kind: 'mkdir', path: directory },
        inside,
        { kind: 'rename', from: directory, to: `${directory}-done` },
      ];
    }
  }
}
