import { readFileSync } from 'node:fs';
import { Stack } from 'aws-cdk-lib';
import { describe, expect, it } from 'vitest';
import { CONTEXT_KEYS, propsFromContext, readContext } from '../../provision/context.ts';
import { resolveProps } from '../../provision/validate.ts';
import { RPM } from './synthesized.ts';

const root = new URL('../../', import.meta.url);
const guide = readFileSync(new URL('docs/migrating-from-transfer-family.md', root), 'utf8');
const ours = JSON.parse(readFileSync(new URL('cdk.json', root), 'utf8'));
const theirs = JSON.parse(guide.match(/```json\n([\s\S]*?)```/)?.[1] ?? '{}');

describe('the migration guide', () => {
  it('shows a cdk.json that is ours with settings in it, and the app takes them', () => {
    expect({ ...theirs, context: {} }).toEqual(ours);
    expect(Object.keys(theirs.context).length).toBeGreaterThan(0);
    const props = propsFromContext(readContext({ ...theirs.context, rpm: RPM }), new Stack());
    expect(resolveProps(props)).toMatchObject({ usersPrefix: theirs.context.usersPrefix });
  });

  it('names settings that exist', () => {
    const named = [...guide.matchAll(/`([a-z]+(?:[A-Z][a-z]+)+)`/g)].map(([, name]) => name ?? '');
    expect(named).toEqual(
      expect.arrayContaining(['usersPrefix', 'bucketName', 'eipAllocationId', 'zoneName']),
    );
    for (const name of named) expect(Object.keys(CONTEXT_KEYS)).toContain(name);
  });

  it('gives no setting on a command line, where the next deployment would lose it', () => {
    expect(guide).not.toMatch(/deploy [^\n`]*-c /);
  });
});
