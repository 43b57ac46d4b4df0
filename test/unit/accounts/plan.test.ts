import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actual, ActualAccount } from '../../../agent/accounts/actual.ts';
import type { Closing } from '../../../agent/accounts/closing.ts';
import { resolveDesired } from '../../../agent/accounts/desired.ts';
import type { PastRemoval } from '../../../agent/accounts/guard.ts';
import { type KeyFile, keyFileOf } from '../../../agent/accounts/key-file.ts';
import type { LedgerUser } from '../../../agent/accounts/ledger-user.ts';
import { liveKeys, type Partner, type PartnerKey } from '../../../agent/accounts/partner.ts';
import { type Plan, planAccounts, type Reading } from '../../../agent/accounts/plan.ts';
import type { SecretDocument, SecretEntry } from '../../../agent/accounts/secret-document.ts';
import type { Step } from '../../../agent/accounts/step.ts';

const NOW = Date.UTC(2026, 0, 1);
const LIMITS = {
  uidMin: 200_000,
  uidMax: 299_999,
  directories: ['upload'],
  maxRemovals: 3,
  maxRemovalsPercent: 10,
};

/** With its text, for people and expectations. */
function fileOf(content: string, owner: Pick<KeyFile, 'uid' | 'gid' | 'mode'>) {
  return { ...keyFileOf(content, owner), content };
}

interface Host {
  /** Users that are held. */
  held: readonly string[];
  recent: readonly PastRemoval[];
  readonly ledger: Map<string, LedgerUser>;
  readonly accounts: Map<string, ActualAccount>;
  readonly groups: Map<string, number>;
  readonly keyFiles: Map<string, ReturnType<typeof fileOf>>;
}

interface Secrets {
  readonly documents: Map<string, SecretDocument>;
  readonly gone: Set<string>;
}

const account = (uid: number, more: Partial<ActualAccount> = {}): ActualAccount => ({
  uid,
  gid: uid,
  gecos: 's3files-sftp partner',
  home: '/',
  shell: '/sbin/nologin',
  groups: ['s3files-sftp'],
  password: 'keys-only',
  hasExpiry: false,
  ...more,
});
const STRANGER = account(1000, {
  gecos: 'Operator',
  home: '/home/op',
  shell: '/bin/bash',
  groups: ['wheel'],
});

function emptyHost(): Host {
  return {
    held: [],
    recent: [],
    ledger: new Map(),
    accounts: new Map([['op', STRANGER]]),
    groups: new Map([
      ['op', 1000],
      ['team', 1001],
      ['s3files-sftp', 990],
    ]),
    keyFiles: new Map(),
  };
}

function actualOf({ accounts, groups, keyFiles }: Host): Actual {
  const uids = new Map([...accounts].map(([name, { uid }]) => [uid, name]));
  return { accounts, groups, keyFiles, uids, gids: new Map([...groups].map(([name, gid]) => [gid, name])) };
}

interface PlanOptions {
  readonly approved?: string;
  readonly now?: number;
  readonly reading?: Reading;
}

function planOn(host: Host, secrets: Secrets, options: PlanOptions = {}): Plan {
  const { approved = null, now = NOW, reading = { whole: true, complete: true } } = options;
  const desired = resolveDesired({ ...secrets, ledger: host.ledger, prefix: 'p/', now });
  return planAccounts({
    desired,
    reading,
    ledger: host.ledger,
    actual: actualOf(host),
    now,
    mountServing: true,
    audit: new Set(),
    limits: LIMITS,
    guard: { approved, held: host.held, recent: host.recent },
  });
}

/** What each step does to a host that obeys: a model of the executors. */
function applyTo(host: Host, step: Step, now: number): void {
  const { user } = step;
  const known = host.ledger.get(user);
  const before = host.accounts.get(user);
  switch (step.do) {
    case 'record':
      host.ledger.set(user, step.entry);
      break;
    case 'remove-keys':
      host.keyFiles.delete(user);
      break;
    case 'write-keys':
      host.keyFiles.set(user, fileOf(step.content, { uid: 0, gid: step.gid, mode: 0o640 }));
      break;
    case 'end-sessions':
      if (known) host.ledger.set(user, { ...known, ending: [] });
      break;
    case 'set-password':
      if (before) host.accounts.set(user, { ...before, password: step.locked ? 'locked' : 'keys-only' });
      break;
    case 'repair-account':
      host.accounts.set(user, account(step.uid, { password: before?.password ?? 'locked' }));
      break;
    case 'create-account':
      if (!before) host.accounts.set(user, account(step.uid, { password: 'locked' }));
      host.groups.set(user, step.uid);
      break;
    case 'prepare-mount': {
      if (known) host.ledger.set(user, { ...known, chroot: true });
      if (known || step.newcomer === null) break;
      const used = new Set([...host.ledger.values()].map(({ uid }) => uid));
      let uid = step.uid ?? LIMITS.uidMin;
      while (step.uid === null && used.has(uid)) uid += 1;
      const partner = step.newcomer;
      const live = liveKeys(partner, now).map(({ fingerprint }) => fingerprint);
      host.ledger.set(user, {
        name: user,
        uid,
        secret: partner.secret,
        partner,
        removed: false,
        live,
        ending: [],
        chroot: true,
      });
    }
  }
}

function noteRemovals(host: Host, { approved, removing }: Plan, at: number): void {
  if (approved) host.recent = [];
  else host.recent = [...host.recent, ...removing.map((user) => ({ user, at }))];
}

/** Plans and applies until nothing is left; every step on the way is returned. */
function converge(host: Host, secrets: Secrets, options: PlanOptions = {}): { steps: Step[]; plan: Plan } {
  const steps: Step[] = [];
  host.held = planOn(host, secrets, options).holding;
  for (let round = 0; round < 10; round += 1) {
    const plan = planOn(host, secrets, options);
    if (plan.steps.length === 0) return { steps, plan };
    noteRemovals(host, plan, options.now ?? NOW);
    for (const step of plan.steps) applyTo(host, step, options.now ?? NOW);
    steps.push(...plan.steps);
  }
  throw new Error(`no end: ${JSON.stringify(planOn(host, secrets, options).steps)}`);
}

const keyOf = (id: number, expires: number | null = null): PartnerKey => ({
  type: 'ssh-ed25519',
  base64: `AAAA${id}`,
  fingerprint: `SHA256:${id}`,
  expires,
  from: null,
});
const partnerOf = (name: string, secret: string, more: Partial<Partner> = {}): Partner => ({
  name,
  secret,
  uid: null,
  enabled: true,
  expires: null,
  networks: null,
  directories: null,
  keys: [keyOf(1)],
  ...more,
});
const documentOf = (secret: string, entries: SecretEntry[], whole = true): [string, SecretDocument] => [
  secret,
  { secret, versionId: 'v', form: 'bundle', entries, whole, problems: [], notes: [] },
];
const entryOf = (partner: Partner): SecretEntry => ({
  user: partner.name,
  partner,
  problems: [],
  refused: 0,
});
const secretsOf = (...partners: Partner[]): Secrets => {
  const names = [...new Set(partners.map(({ secret }) => secret))];
  const documents = names.map((secret) =>
    documentOf(secret, partners.filter((each) => each.secret === secret).map(entryOf)),
  );
  return { documents: new Map(documents), gone: new Set() };
};

describe('a plan', () => {
  it('opens a login last: claim and chroot, account, password, then keys', () => {
    const { steps } = converge(emptyHost(), secretsOf(partnerOf('alice', 'p/a')));
    expect(steps.map((step) => step.do)).toEqual([
      'prepare-mount',
      'create-account',
      'set-password',
      'write-keys',
    ]);
  });

  it('ends sessions only when the key is out of the file, and keeps that in mind until it is done', () => {
    const host = emptyHost();
    converge(host, secretsOf(partnerOf('alice', 'p/a', { keys: [keyOf(1), keyOf(2)] })));
    const { steps } = converge(host, secretsOf(partnerOf('alice', 'p/a', { keys: [keyOf(2)] })));
    expect(steps.map((step) => step.do)).toEqual(['record', 'write-keys', 'end-sessions']);
    expect(steps.at(-1)).toMatchObject({ fingerprints: ['SHA256:1'] });
  });

  it('ends every session of a user who expires, and reopens when the clock turns out to have been wrong', () => {
    const host = emptyHost();
    const secrets = secretsOf(partnerOf('alice', 'p/a', { expires: NOW + 1000 }), partnerOf('bob', 'p/b'));
    converge(host, secrets);
    const { steps } = converge(host, secrets, { now: NOW + 1000 });
    expect(steps).toContainEqual({ do: 'end-sessions', user: 'alice', fingerprints: null });
    expect(host.keyFiles.has('alice')).toBe(false);
    expect(converge(host, secrets).plan.active).toBe(2);
  });

  it('gives a name that two secrets claim to the account that exists, else to nobody', () => {
    const host = emptyHost();
    const both = secretsOf(partnerOf('alice', 'p/a'), partnerOf('alice', 'p/b', { keys: [keyOf(9)] }));
    expect(converge(host, both).plan.problems).toMatchObject([{ user: 'alice' }]);
    expect(host.ledger.size).toBe(0);
    converge(host, secretsOf(partnerOf('alice', 'p/b')));
    converge(host, both);
    expect(host.ledger.get('alice')?.live).toEqual(['SHA256:9']);
  });

  it('lets a user move to another secret once its own is gone, in one step and without a removal', () => {
    const host = emptyHost();
    converge(host, secretsOf(partnerOf('alice', 'p/a')));
    const moved = secretsOf(partnerOf('alice', 'p/b', { keys: [keyOf(1), keyOf(2)] }));
    expect(converge(host, moved).plan.problems).toMatchObject([
      { problem: expect.stringContaining('still belongs to p/a') },
    ]);
    moved.gone.add('p/a');
    converge(host, moved);
    expect(host.ledger.get('alice')).toMatchObject({ secret: 'p/b', live: ['SHA256:1', 'SHA256:2'] });
  });

  it('shuts an account that a secret shuts, though nothing else in it can be read, and keeps its keys in mind', () => {
    const host = emptyHost();
    const bob = partnerOf('bob', 'p/b');
    converge(host, secretsOf(partnerOf('alice', 'p/a'), bob));
    const unreadable = (closing?: Partial<Closing>): Secrets => {
      const shut = closing && { closing: { enabled: true, expires: null, ...closing } };
      const entry = { user: 'alice', partner: null, problems: ['is wrong'], refused: 0, ...shut };
      const state = secretsOf(bob);
      state.documents.set(...documentOf('p/a', [entry]));
      return state;
    };
    // In the future it counts as well, and then by itself.
    for (const [closing, now] of [
      [{ enabled: false }, NOW],
      [{ expires: NOW - 1 }, NOW],
      [{ expires: NOW + 5 }, NOW + 5],
    ] as const) {
      converge(host, unreadable(closing));
      const { plan } = converge(host, unreadable(closing), { now });
      expect(plan).toMatchObject({ active: 1, held: null, steps: [], problems: [{ problem: 'is wrong' }] });
      expect(host.accounts.get('alice')?.password).toBe('locked');
      expect(host.ledger.get('alice')).toMatchObject({ removed: false, partner: { keys: [keyOf(1)] } });
      // It can shut, and never open.
      expect(converge(host, unreadable({ expires: NOW + 10 ** 9 }), { now }).plan.active).toBe(1);
      expect(converge(host, unreadable(), { now }).plan.active).toBe(1);
      expect(converge(host, secretsOf(partnerOf('alice', 'p/a'), bob)).plan.active).toBe(2);
    }
    const removed = secretsOf(bob);
    removed.gone.add('p/a');
    converge(host, removed);
    expect(converge(host, unreadable({ enabled: false })).steps).toEqual([]);
    expect(host.ledger.get('alice')?.removed).toBe(true);
  });

  it('shuts by such a secret only what the guard lets through, and also what the ledger lost', () => {
    const host = emptyHost();
    const names = ['alice', 'bob', 'carol', 'dave', 'erin'];
    converge(host, secretsOf(...names.map((name) => partnerOf(name, 'p/all'))));
    const entry = (user: string, closing: Closing): SecretEntry => ({
      user,
      partner: null,
      problems: [],
      refused: 0,
      closing,
    });
    const off = { enabled: false, expires: null };
    const all: Secrets = {
      documents: new Map([
        documentOf(
          'p/all',
          names.map((name) => entry(name, off)),
        ),
      ]),
      gone: new Set(),
    };
    const { plan } = converge(host, all);
    expect([plan.active, plan.held?.removals[0]]).toEqual([5, expect.stringContaining('disabled')]);
    host.ledger.clear();
    host.held = [];
    const rest = names.slice(3).map((name) => entryOf(partnerOf(name, 'p/all')));
    const some = [entry('alice', off), entry('bob', { enabled: true, expires: NOW }), ...rest];
    const later = [...some, entry('carol', { enabled: true, expires: NOW + 1 })];
    converge(host, { documents: new Map([documentOf('p/all', later)]), gone: new Set() });
    expect([...host.keyFiles.keys()].sort()).toEqual(['carol', 'dave', 'erin']);
  });

  it('keeps the uid that a name is bound to, and says what the secret got wrong', () => {
    const host = emptyHost();
    converge(host, secretsOf(partnerOf('alice', 'p/a', { uid: 210_000 })));
    const { plan } = converge(host, secretsOf(partnerOf('alice', 'p/a', { uid: 210_001 })));
    expect(host.accounts.get('alice')?.uid).toBe(210_000);
    expect(plan.problems).toMatchObject([{ user: 'alice', hint: expect.stringContaining('210000') }]);
  });

  it.each([
    [1000, 'outside of'],
    [0, 'outside of'],
    [300_000, 'outside of'],
    [210_000, 'belongs to alice'],
  ])('refuses uid %i to a new user', (uid, problem) => {
    const host = emptyHost();
    const alice = partnerOf('alice', 'p/a', { uid: 210_000 });
    converge(host, secretsOf(alice));
    const { plan } = converge(host, secretsOf(alice, partnerOf('mallory', 'p/m', { uid })));
    expect(plan.problems).toMatchObject([{ user: 'mallory', problem: expect.stringContaining(problem) }]);
    expect(host.ledger.has('mallory')).toBe(false);
  });
});

describe('accounts that the ledger lost', () => {
  const partners = ['alice', 'bob', 'carol', 'dave', 'erin'].map((name) => partnerOf(name, `p/${name}`));
  const [alice, bob, carol, dave, erin] = partners as [Partner, Partner, Partner, Partner, Partner];
  const lost = () => {
    const host = emptyHost();
    converge(host, secretsOf(...partners));
    host.ledger.clear();
    return host;
  };

  it('are taken over with what their secrets say, and removed where no secret names them', () => {
    const host = lost();
    const now = secretsOf({ ...bob, enabled: false }, { ...carol, keys: [] }, dave, erin);
    const { plan } = converge(host, now);
    expect(plan).toMatchObject({ held: null, active: 2, unlisted: 0 });
    expect([...host.keyFiles.keys()].sort()).toEqual(['dave', 'erin']);
    expect(host.accounts.get('alice')?.password).toBe('locked');
    expect(host.ledger.get('alice')).toMatchObject({ removed: true, uid: host.accounts.get('alice')?.uid });
  });

  it('stay as they are, and are reported, until every secret was read', () => {
    const host = lost();
    const files = new Map(host.keyFiles);
    const reading = { whole: true, complete: false };
    const nothing: Secrets = { documents: new Map(), gone: new Set() };
    const { plan } = converge(host, nothing, { reading });
    expect(plan.problems.map(({ user }) => user).sort()).toEqual(partners.map(({ name }) => name));
    expect([host.keyFiles, plan.active]).toEqual([files, 5]);
    // Alice may be in the one that can't be parsed.
    const broken = secretsOf(bob, carol, dave, erin);
    broken.documents.set(...documentOf('p/x', [], false));
    expect(converge(host, broken).plan).toMatchObject({ active: 5, unlisted: 1, held: null });
  });

  it('are held by the guard like any other', () => {
    const host = lost();
    const { plan } = converge(host, secretsOf(alice));
    expect(plan.held?.removals).toHaveLength(4);
    expect(host.keyFiles.size).toBe(5);
    converge(host, secretsOf(alice), { approved: plan.held?.hash ?? '' });
    expect([...host.keyFiles.keys()]).toEqual(['alice']);
  });

  it('keep the uid that they have, whatever the secret asks for, and end the sessions of keys that left', () => {
    const host = lost();
    const uid = host.accounts.get('alice')?.uid;
    const [base64, fingerprint] = [
      'AAAAC3NzaC1lZDI1NTE5AAAAIPRY1Odq8xyYlwcoxZVEEQ0fKVcPFLHcmTZPNxtTpNNJ',
      createHash('sha256')
        .update(Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIPRY1Odq8xyYlwcoxZVEEQ0fKVcPFLHcmTZPNxtTpNNJ', 'base64'))
        .digest('base64')
        .replace('=', ''),
    ];
    const file = fileOf(`# x\nrestrict ssh-ed25519 ${base64}\n`, { uid: 0, gid: uid ?? 0, mode: 0o640 });
    host.keyFiles.set('alice', file);
    const { steps, plan } = converge(host, secretsOf({ ...alice, uid: 210_005 }, bob, carol, dave, erin));
    expect(steps).toContainEqual({
      do: 'end-sessions',
      user: 'alice',
      fingerprints: [`SHA256:${fingerprint}`],
    });
    expect([host.ledger.get('alice')?.uid, host.accounts.get('alice')?.uid]).toEqual([uid, uid]);
    expect(plan.problems).toMatchObject([{ user: 'alice', problem: expect.stringContaining('for ever') }]);
  });

  it('keep their key file, and are reported, where their uid is outside of the range', () => {
    const host = emptyHost();
    host.accounts.set('otto', account(150_000));
    host.keyFiles.set('otto', fileOf('x', { uid: 0, gid: 0, mode: 0o640 }));
    const { plan } = converge(host, secretsOf(alice));
    expect(plan.problems).toMatchObject([{ user: 'otto', hint: expect.stringContaining('uid_min') }]);
    expect(host.keyFiles.has('otto')).toBe(true);
  });

  it('leave no key file behind that belongs to no account', () => {
    const host = emptyHost();
    for (const user of ['nobody-of-ours', 'op', '.swp'])
      host.keyFiles.set(user, fileOf('x', { uid: 0, gid: 0, mode: 0o640 }));
    converge(host, secretsOf(alice));
    expect([...host.keyFiles.keys()].sort()).toEqual(['.swp', 'alice']);
    expect(host.accounts.get('op')).toBe(STRANGER);
  });
});

describe('removals', () => {
  const names = Array.from({ length: 40 }, (_, index) => `user${index}`);
  const bundle = (from: number) => secretsOf(...names.slice(from).map((name) => partnerOf(name, 'p/bundle')));
  it.each([
    [4, false],
    [5, true],
    [40, true],
  ])('%i of 40 are held: %s', (count, held) => {
    const host = emptyHost();
    converge(host, bundle(0));
    const smaller = bundle(count);
    smaller.documents.set(
      ...documentOf(
        'p/bundle',
        names.slice(count).map((name) => entryOf(partnerOf(name, 'p/bundle'))),
      ),
    );
    const { plan } = converge(host, smaller);
    expect(plan.held !== null).toBe(held);
    expect(plan.active).toBe(held ? 40 : 40 - count);
    const hash = plan.held?.hash;
    if (hash !== undefined) expect(converge(host, smaller, { approved: hash }).plan.active).toBe(40 - count);
  });

  it('of nobody follow from a secret that is not there or was read in part', () => {
    const host = emptyHost();
    converge(host, secretsOf(partnerOf('alice', 'p/a'), partnerOf('bob', 'p/b')));
    const nothing: Secrets = { documents: new Map(), gone: new Set() };
    expect(converge(host, nothing)).toMatchObject({ steps: [], plan: { active: 2 } });
    const part: Secrets = { documents: new Map([documentOf('p/a', [], false)]), gone: new Set() };
    expect(converge(host, part)).toMatchObject({ steps: [], plan: { active: 2 } });
  });
});

describe('the guard in the plan', () => {
  const names = Array.from({ length: 100 }, (_, index) => `user${index}`);
  const all = (more: Partial<Partner> = {}) =>
    secretsOf(...names.map((name) => partnerOf(name, 'p/bundle', more)));
  const without = (count: number, extra = 0) =>
    secretsOf(
      ...names.slice(count).map((name) => partnerOf(name, 'p/bundle')),
      ...Array.from({ length: extra }, (_, index) => partnerOf(`new${index}`, 'p/new')),
    );

  it('sees an end that is set into the past', () => {
    const host = emptyHost();
    converge(host, all());
    const { plan } = converge(host, all({ expires: NOW - 1 }));
    expect([plan.active, plan.held?.removals.length]).toEqual([100, 100]);
    expect(plan.held?.removals[0]).toContain('expired');
  });

  it('sees that nobody would remain where the others have expired', () => {
    const host = emptyHost();
    const both = secretsOf(partnerOf('alice', 'p/a'), partnerOf('bob', 'p/b', { expires: NOW + 1000 }));
    converge(host, both);
    const later = secretsOf(
      partnerOf('alice', 'p/a', { enabled: false }),
      partnerOf('bob', 'p/b', { expires: NOW + 1000 }),
    );
    const { plan } = converge(host, later, { now: NOW + 2000 });
    expect(plan.held?.removals).toHaveLength(1);
    expect(host.keyFiles.has('alice')).toBe(true);
  });

  it('lets time pass: whoever expires by itself is no removal', () => {
    const host = emptyHost();
    converge(host, all({ expires: NOW + 1000 }));
    expect(converge(host, all({ expires: NOW + 1000 }), { now: NOW + 1000 }).plan).toMatchObject({
      held: null,
      active: 0,
    });
  });

  it('keeps holding each user when others come and one more goes', () => {
    const host = emptyHost();
    converge(host, secretsOf(...names.slice(0, 30).map((name) => partnerOf(name, 'p/bundle'))));
    const rest = (from: number) => names.slice(from, 30).map((name) => partnerOf(name, 'p/bundle'));
    const others = Array.from({ length: 30 }, (_, index) => partnerOf(`new${index}`, 'p/new'));
    expect(converge(host, secretsOf(...rest(4))).plan.held?.removals).toHaveLength(4);
    expect(converge(host, secretsOf(...rest(4), ...others)).plan.held?.removals).toHaveLength(4);
    const { plan } = converge(host, secretsOf(...rest(5), ...others));
    expect([plan.held?.removals.length, host.keyFiles.has('user3'), host.keyFiles.has('user4')]).toEqual([
      4,
      true,
      false,
    ]);
    // Wanted again, they are no longer held.
    expect(converge(host, secretsOf(...rest(0), ...others)).plan.holding).toEqual([]);
  });

  it('adds up what goes ahead in a day, so that a list that melts away is held', () => {
    const host = emptyHost();
    converge(host, all());
    const minutes = Array.from({ length: 12 }, (_, index) => index + 1);
    for (const minute of minutes) converge(host, without(5 * minute), { now: NOW + minute * 60_000 });
    expect(host.keyFiles.size).toBe(90);
    // A day later the next ones may go, but nobody who was held.
    const { plan } = converge(host, without(60), { now: NOW + 86_400_000 + 720_000 });
    expect([host.keyFiles.size, plan.held?.removals.length]).toEqual([90, 50]);
  });

  it('concludes nobody’s absence from a read that was not whole, also with what was held before a restart', () => {
    const host = emptyHost();
    converge(host, all());
    const reading = { whole: false, complete: false };
    expect(converge(host, without(2), { reading })).toMatchObject({ steps: [], plan: { active: 100 } });
    expect(converge(host, without(60)).plan.held?.removals).toHaveLength(60);
    // After a restart little is known at first, and then a part.
    expect(converge(host, { documents: new Map(), gone: new Set() }, { reading }).plan.holding).toHaveLength(
      60,
    );
    for (const some of [6, 12, 60]) expect(converge(host, without(some)).plan.active).toBe(100);
    expect(converge(host, without(60)).plan.held?.removals).toHaveLength(60);
  });
});

describe('the planner, whatever happened to host and secrets', () => {
  const NAMES = ['alice', 'bob', 'carol', 'dave', 'op', 'team'];
  const key = fc.record({ id: fc.nat(4), expires: fc.constantFrom(null, NOW - 1, NOW + 1000) });
  const partner = fc
    .record({
      name: fc.constantFrom(...NAMES),
      secret: fc.constantFrom('p/1', 'p/2', 'p/3'),
      uid: fc.constantFrom(null, 210_000, 210_001, 1000),
      enabled: fc.boolean(),
      expires: fc.constantFrom(null, NOW - 1, NOW + 1000),
      keys: fc.uniqueArray(key, { maxLength: 3, selector: ({ id }) => id }),
    })
    .map(
      ({ keys, ...rest }): Partner => ({
        ...partnerOf(rest.name, rest.secret),
        ...rest,
        keys: keys.map(({ id, expires }) => keyOf(id, expires)),
      }),
    );
  const secrets = fc
    .record({
      partners: fc.uniqueArray(partner, {
        maxLength: 8,
        selector: ({ name, secret }) => `${name} ${secret}`,
      }),
      gone: fc.subarray(['p/1', 'p/2', 'p/3']),
      partial: fc.boolean(),
    })
    .map(({ partners, gone, partial }): Secrets => {
      const { documents } = secretsOf(...partners.filter(({ secret }) => !gone.includes(secret)));
      const whole = [...documents].map(([name, document]): [string, SecretDocument] => [
        name,
        { ...document, whole: !partial },
      ]);
      return { documents: new Map(whole), gone: new Set(gone) };
    });
  const drift = fc.array(
    fc.record({
      name: fc.constantFrom(...NAMES),
      what: fc.constantFrom('shell', 'userdel', 'password', 'keys', 'no keys', 'group', 'uid'),
    }),
    { maxLength: 4 },
  );
  const isOps = (name: string) => name === 'op' || name === 'team';

  function disturb(host: Host, changes: readonly { name: string; what: string }[]): void {
    for (const { name, what } of changes) {
      const at = host.accounts.get(name);
      if (!at || isOps(name)) continue;
      if (what === 'shell') host.accounts.set(name, { ...at, shell: '/bin/sh', groups: [] });
      if (what === 'userdel') host.accounts.delete(name);
      if (what === 'password') host.accounts.set(name, { ...at, password: 'other' });
      if (what === 'keys') host.keyFiles.set(name, fileOf('x', { uid: 0, gid: 0, mode: 0o666 }));
      if (what === 'no keys') host.keyFiles.delete(name);
      if (what === 'group') host.groups.delete(name);
      if (what === 'uid') host.accounts.set(name, { ...at, uid: 1000 });
    }
  }

  it('converges, is idempotent, and touches nobody else’s account', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(secrets, drift), { minLength: 1, maxLength: 4 }), (history) => {
        const host = emptyHost();
        for (const [state, changes] of history) {
          disturb(host, changes);
          const { steps } = converge(host, state);
          expect(planOn(host, state).steps).toEqual([]);
          expect(steps.filter(({ user }) => isOps(user))).toEqual([]);
          expect(host.accounts.get('op')).toBe(STRANGER);
          const uids = [...host.ledger.values()].map(({ uid }) => uid);
          expect(new Set(uids).size).toBe(uids.length);
          for (const [user, file] of host.keyFiles) {
            const entry = host.ledger.get(user);
            expect(host.accounts.get(user)?.uid).toBe(entry?.uid);
            expect(file.content.match(/AAAA\d/g)).toHaveLength(entry?.live.length ?? 0);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it('comes to the same end when it is killed after any step', () => {
    fc.assert(
      fc.property(secrets, secrets, fc.array(fc.integer({ min: 1, max: 12 })), (first, then, lives) => {
        const [steady, killed] = [emptyHost(), emptyHost()];
        for (const host of [steady, killed]) converge(host, first);
        for (const count of lives) {
          // Only so many steps of this life are carried out; what is held is noted before any.
          killed.held = planOn(killed, then).holding;
          let left = count;
          for (let plan = planOn(killed, then); left > 0 && plan.steps.length > 0; ) {
            const { steps } = plan;
            noteRemovals(killed, plan, NOW);
            for (const step of steps.slice(0, left)) applyTo(killed, step, NOW);
            left -= steps.length;
            plan = planOn(killed, then);
          }
        }
        for (const host of [steady, killed]) converge(host, then);
        expect({ ...killed, held: null, recent: null }).toEqual({ ...steady, held: null, recent: null });
      }),
      { numRuns: 300 },
    );
  });

  it('gives everybody back what a clock that jumped took, under the same uid', () => {
    const clock = fc.constantFrom(0, NOW - 2, NOW + 999, NOW + 1_000, NOW + 10 ** 12);
    fc.assert(
      fc.property(secrets, fc.array(clock, { minLength: 1, maxLength: 4 }), (state, clocks) => {
        const host = emptyHost();
        converge(host, state);
        const before = new Map(host.ledger);
        const files = new Map(host.keyFiles);
        for (const now of clocks) converge(host, state, { now });
        converge(host, state);
        for (const [user, entry] of before) {
          expect(host.ledger.get(user)).toEqual(entry);
          expect(host.keyFiles.get(user)).toEqual(files.get(user));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never takes more logins at once than the guard lets through, and never the last', () => {
    fc.assert(
      fc.property(secrets, secrets, (first, second) => {
        const host = emptyHost();
        converge(host, first);
        // By the keys that sshd would take, whatever the ledger says.
        const admitted = () => host.keyFiles.size;
        const before = admitted();
        const { held } = planOn(host, second);
        converge(host, second);
        const lost = before - admitted();
        expect(lost).toBeLessThanOrEqual(3);
        if (before > 0) expect(admitted()).toBeGreaterThan(0);
        if (held) expect(admitted()).toBeGreaterThanOrEqual(before);
      }),
      { numRuns: 300 },
    );
  });

  it('takes no more in a day than the guard lets through, however the secrets change', () => {
    fc.assert(
      fc.property(fc.array(secrets, { minLength: 2, maxLength: 6 }), (history) => {
        const host = emptyHost();
        const lost = new Set<string>();
        for (const [minute, state] of history.entries()) {
          const before = new Set(host.keyFiles.keys());
          converge(host, state, { now: NOW + minute });
          for (const user of before) if (!host.keyFiles.has(user)) lost.add(user);
          for (const user of host.keyFiles.keys()) lost.delete(user);
          expect(lost.size).toBeLessThanOrEqual(3);
          if (before.size > 0) expect(host.keyFiles.size).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('leaves nobody a key that no secret gives, though the ledger was lost, once the removals are approved', () => {
    fc.assert(
      fc.property(secrets, secrets, (first, second) => {
        const host = emptyHost();
        converge(host, first);
        host.ledger.clear();
        const before = new Map(host.keyFiles);
        converge(
          host,
          { documents: new Map(), gone: new Set() },
          { reading: { whole: false, complete: false } },
        );
        expect(host.keyFiles).toEqual(before);
        const whole = new Map([...second.documents].map(([name, each]) => [name, { ...each, whole: true }]));
        const state = { documents: whole, gone: second.gone };
        converge(host, state, { approved: planOn(host, state).held?.hash ?? '' });
        const entries = [...whole.values()].flatMap((each) => each.entries);
        for (const [user, { content }] of host.keyFiles) {
          const claims = entries.filter((each) => each.user === user);
          // Where several claim the name, the account stays as it is.
          if (claims.length > 1) continue;
          const live = claims.flatMap(({ partner }) => (partner ? liveKeys(partner, NOW) : []));
          expect(live.length).toBeGreaterThan(0);
          expect(content.match(/AAAA\d/g)).toEqual(live.map(({ base64 }) => base64));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('takes nobody’s login on a listing that is not whole and holds nothing deleted', () => {
    fc.assert(
      fc.property(secrets, secrets, (first, second) => {
        const host = emptyHost();
        converge(host, first);
        const named = new Set(
          [...second.documents.values()].flatMap(({ entries }) => entries.map(({ user }) => user)),
        );
        const before = [...host.ledger.values()].filter(
          ({ name, live }) => live.length > 0 && !named.has(name),
        );
        const part = new Map(
          [...second.documents].map(([name, document]) => [name, { ...document, whole: false }]),
        );
        converge(host, { documents: part, gone: new Set() });
        for (const entry of before) expect(host.ledger.get(entry.name)).toEqual(entry);
      }),
    );
  });
});
