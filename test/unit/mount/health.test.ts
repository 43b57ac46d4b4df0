import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fault, faultOf, isSuspect, NO_BELIEF, observe } from '../../../agent/mount/health.ts';

const FAULTS: readonly Fault[] = ['hung', 'stale', 'read-only', 'denied', 'absent', 'wrong-file-system'];
const believe = (...faults: readonly (Fault | 'none')[]) =>
  faults.reduce((belief, fault) => observe(belief, { fault, detail: fault }), NO_BELIEF);

describe('observe', () => {
  it('believes one good answer', () => {
    expect(believe('none')).toEqual({ ...NO_BELIEF, verdict: 'none' });
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

  it('is sure of the last one where three in a row are bad, though no two alike', () => {
    expect(faultOf(believe('none', 'hung', 'stale', 'hung'))).toBe('hung');
    expect(faultOf(believe('none', 'hung', 'stale', 'none', 'hung', 'stale'))).toBeUndefined();
    // Once there is a verdict, alternation does not change it each time.
    expect(faultOf(believe('hung', 'hung', 'stale', 'hung', 'stale'))).toBe('hung');
  });

  it('has a verdict after two findings of a fault or three of any, and never on one, with nothing good since', () => {
    const finding = fc.constantFrom<Fault | 'none'>('none', ...FAULTS);
    fc.assert(
      fc.property(fc.array(finding, { maxLength: 12 }), (found) => {
        const verdict = faultOf(believe(...found));
        const sinceGood = found.slice(found.lastIndexOf('none') + 1);
        const twice = sinceGood.filter((fault, i) => fault === sinceGood[i - 1]);
        expect(verdict !== undefined).toBe(twice.length > 0 || sinceGood.length >= 3);
        if (verdict !== undefined) expect(sinceGood).toContain(verdict);
        const [last, before] = sinceGood.toReversed();
        if (last !== undefined && last === before) expect(verdict).toBe(last);
      }),
    );
  });
});
