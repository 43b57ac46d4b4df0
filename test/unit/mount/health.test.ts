import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fault, faultOf, isSuspect, NO_BELIEF, observe } from '../../../agent/mount/health.ts';

const FAULTS: readonly Fault[] = ['hung', 'stale', 'read-only', 'denied', 'absent', 'wrong-file-system'];
const believe = (...faults: readonly (Fault | 'none')[]) =>
  faults.reduce((belief, fault) => observe(belief, { fault, detail: fault }), NO_BELIEF);

describe('observe', () => {
  it('believes one good answer', () => {
    expect(believe('none')).toEqual({ verdict: 'none', finding: undefined, count: 0 });
  });

  it('suspects at one fault, and is sure at the second', () => {
    expect(isSuspect(believe('none', 'hung'))).toBe(true);
    expect(faultOf(believe('none', 'hung'))).toBeUndefined();
    expect(faultOf(believe('none', 'hung', 'hung'))).toBe('hung');
  });

  it('starts counting anew at another fault, and at a good answer', () => {
    expect(faultOf(believe('none', 'hung', 'stale'))).toBeUndefined();
    expect(faultOf(believe('hung', 'none', 'hung'))).toBeUndefined();
  });

  it('keeps its verdict until another one is certain', () => {
    expect(faultOf(believe('hung', 'hung', 'stale'))).toBe('hung');
    expect(faultOf(believe('hung', 'hung', 'stale', 'stale'))).toBe('stale');
  });

  it('has a fault for its verdict only after two of it in a row with nothing good since', () => {
    const finding = fc.constantFrom<Fault | 'none'>('none', ...FAULTS);
    fc.assert(
      fc.property(fc.array(finding, { maxLength: 12 }), (found) => {
        const verdict = faultOf(believe(...found));
        const sinceGood = found.slice(found.lastIndexOf('none') + 1);
        const certain = sinceGood.filter((fault, i) => fault === sinceGood[i - 1]).at(-1);
        expect(verdict).toBe(certain);
      }),
    );
  });
});
