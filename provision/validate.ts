import { CHECKS } from './prop-checks.ts';
import type { PropFault } from './prop-fault.ts';
import { DEFAULTS, type ResolvedProps, type S3FilesSftpProps } from './props.ts';

/** Every fault of the props at once, so that they are mended in one go. */
export class PropsError extends Error {
  readonly faults: readonly PropFault[];
  constructor(faults: readonly PropFault[]) {
    super(faults.map(({ prop, value, fix }) => `${prop} (${show(value)}): ${fix}`).join('\n'));
    this.name = 'PropsError';
    this.faults = faults;
  }
}

/**
 * Fills in the defaults and refuses what can't work.
 * @throws PropsError naming each wrong prop, its value and the fix
 */
export function resolveProps(given: S3FilesSftpProps): ResolvedProps {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const props: ResolvedProps = { ...DEFAULTS, rpm: given.rpm, ...set };
  const faults = CHECKS.flatMap((check) => check(props, given));
  if (faults.length > 0) throw new PropsError(faults);
  return props;
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined';
}
