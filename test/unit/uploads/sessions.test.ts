import { describe, expect, it } from 'vitest';
import { createFold, settleSessions } from '../../../agent/uploads/sessions.ts';
import { createVanishing } from '../../../agent/uploads/vanishing.ts';
import { CLOSED, close, foldAll, OPENED, openNew, PARTNERS, T0, uploadsOf } from './journal-fixture.ts';

const BOB = { pid: 200, uid: 230002 };
const RENAME = 'posix-rename old "/upload/a.part" new "/upload/a"';

describe('what became of each file', () => {
  it.each<[string, string[], string[]]>([
    ['whole', [OPENED, openNew('/upload/a'), close('/upload/a', 3), CLOSED], ['whole /upload/a 3']],
    ['empty', [OPENED, openNew('/upload/a'), close('/upload/a', 0), CLOSED], ['whole /upload/a 0']],
    [
      'interrupted',
      [OPENED, openNew('/upload/a'), 'forced close "/upload/a" bytes read 0 written 2', CLOSED],
      ['partial /upload/a 2 interrupted'],
    ],
    [
      'interrupted before its first byte',
      [OPENED, openNew('/upload/a'), 'forced close "/upload/a" bytes read 0 written 0', CLOSED],
      ['partial /upload/a 0 interrupted'],
    ],
    [
      'the disk was full, and the close looks plain',
      [
        OPENED,
        openNew('/upload/a'),
        'error: process_write: write "/upload/a": No space left on device',
        'sent status Failure',
        close('/upload/a', 2),
        CLOSED,
      ],
      ['partial /upload/a 2 No space left on device'],
    ],
    [
      'the disk was full, and sshd has no line for a write that was cut short',
      [OPENED, openNew('/upload/a'), 'sent status Failure', close('/upload/a', 0), CLOSED],
      ['partial /upload/a 0 a write failed'],
    ],
    [
      'the disk filled up later on',
      [
        OPENED,
        openNew('/upload/a'),
        'stat name "/x"',
        'sent status No such file',
        'sent status Failure',
        close('/upload/a', 9),
        CLOSED,
      ],
      ['partial /upload/a 9 a write failed'],
    ],
    [
      'overwritten: both are uploads',
      [
        OPENED,
        openNew('/upload/a'),
        close('/upload/a', 3),
        openNew('/upload/a'),
        close('/upload/a', 4),
        CLOSED,
      ],
      ['whole /upload/a 3', 'whole /upload/a 4'],
    ],
    [
      'renamed from a temporary name: one upload, under its final name',
      [OPENED, openNew('/upload/a.part'), close('/upload/a.part', 3), RENAME, CLOSED],
      ['whole /upload/a 3'],
    ],
    [
      'renamed while it is open',
      [OPENED, openNew('/upload/a.part'), RENAME, close('/upload/a.part', 3), CLOSED],
      ['whole /upload/a 3'],
    ],
    [
      'the rename was refused: whole under its temporary name',
      [
        OPENED,
        openNew('/upload/a.part'),
        close('/upload/a.part', 3),
        RENAME,
        'sent status Permission denied',
        CLOSED,
      ],
      ['whole /upload/a.part 3'],
    ],
    [
      'a temporary name is never renamed: counted when the session ends',
      [OPENED, openNew('/upload/a.part'), close('/upload/a.part', 3), CLOSED],
      ['whole /upload/a.part 3'],
    ],
    [
      'resumed',
      [OPENED, 'open "/upload/a" flags WRITE,APPEND,CREATE mode 0644', close('/upload/a', 7), CLOSED],
      ['whole /upload/a 7'],
    ],
    [
      'opened for writing without a change: no upload',
      [OPENED, 'open "/upload/a" flags READ,WRITE mode 0644', close('/upload/a', 0), CLOSED],
      [],
    ],
    [
      'downloaded: no upload',
      [OPENED, 'open "/upload/a" flags READ mode 0666', 'close "/upload/a" bytes read 9 written 0', CLOSED],
      [],
    ],
    ['refused: no upload', [OPENED, openNew('/nope'), 'sent status Permission denied', CLOSED], []],
    [
      'a status of another request right after the opening',
      [OPENED, openNew('/upload/a'), 'sent status No such file', close('/upload/a', 3), CLOSED],
      ['whole /upload/a 3'],
    ],
    [
      'the session ended without closing it',
      [OPENED, openNew('/upload/a'), CLOSED],
      ['partial /upload/a null the session vanished'],
    ],
    ['its opening was not seen', [close('/upload/a', 3)], ['whole /upload/a 3']],
    [
      'two at once under one name',
      [
        OPENED,
        openNew('/upload/a'),
        openNew('/upload/a'),
        close('/upload/a', 3),
        close('/upload/a', 4),
        CLOSED,
      ],
      ['whole /upload/a 3', 'whole /upload/a 4'],
    ],
    [
      'relative and roundabout names',
      [OPENED, openNew('x'), close('x', 1), openNew('/upload/./y'), close('/upload/./y', 2), CLOSED],
      ['whole /upload/x 1', 'whole /upload/y 2'],
    ],
    [
      'a directory renamed around files that wait',
      [
        OPENED,
        openNew('/upload/d/a.part'),
        close('/upload/d/a.part', 3),
        'rename old "/upload/d" new "/upload/e"',
        CLOSED,
      ],
      ['whole /upload/e/a.part 3'],
    ],
    [
      'a rename that reads in two ways: the name that exists decides',
      [
        OPENED,
        openNew('/upload/a" new "b.part'),
        close('/upload/a" new "b.part', 3),
        'rename old "/upload/a" new "b.part" new "/upload/c"',
        CLOSED,
      ],
      ['whole /upload/c 3'],
    ],
  ])('%s', (_what, messages, uploads) => {
    expect(uploadsOf(foldAll(messages).outcomes)).toEqual(uploads);
  });

  it('knows the size only where writing began at an empty file', () => {
    const { outcomes } = foldAll([
      OPENED,
      openNew('/upload/a'),
      close('/upload/a', 3),
      'open "/upload/a" flags WRITE mode 0644',
      close('/upload/a', 2),
    ]);
    const sizes = outcomes.flatMap((each) => (each.kind === 'whole' ? [each.upload.size] : []));
    expect(sizes).toEqual([3, null]);
  });
});

describe('a file that is read while it is being written', () => {
  const reading = 'open "/upload/a" flags READ mode 0666';
  const failure = 'error: process_read: read "/upload/a": Transport endpoint is not connected';
  it('is no empty upload when the reading fails', () => {
    const broken = [
      OPENED,
      openNew('/upload/a'),
      reading,
      failure,
      'sent status Failure',
      close('/upload/a', 0),
      'forced close "/upload/a" bytes read 0 written 17263',
      CLOSED,
    ];
    expect(uploadsOf(foldAll(broken).outcomes)).toEqual(['partial /upload/a 17263 interrupted']);
  });
  it('is whole, whatever became of the reading', () => {
    const messages = [OPENED, openNew('/upload/a'), reading, failure, close('/upload/a', 0)];
    const { outcomes } = foldAll([...messages, close('/upload/a', 5), CLOSED]);
    expect(uploadsOf(outcomes)).toEqual(['whole /upload/a 5']);
    expect(outcomes.flatMap((each) => (each.kind === 'whole' ? [each.upload.size] : []))).toEqual([5]);
  });
});

describe('downloads', () => {
  const bytesOut = (messages: readonly string[]) =>
    foldAll(messages).outcomes.flatMap((each) =>
      each.kind === 'activity' && each.type === 'CLOSE' ? [each.fields['bytes-out']] : [],
    );
  const opening = 'open "/upload/a" flags READ mode 0666';
  it('are told with their bytes, an empty file with none', () => {
    expect(bytesOut([OPENED, opening, 'close "/upload/a" bytes read 9 written 0'])).toEqual([9]);
    expect(bytesOut([OPENED, opening, close('/upload/a', 0)])).toEqual([0]);
  });
  it('that fail are no complete ones', () => {
    const failure = 'error: process_read: read "/upload/a": Input/output error';
    const messages = [OPENED, opening, failure, 'sent status Failure', close('/upload/a', 0)];
    expect(bytesOut(messages)).toEqual([]);
    expect(foldAll(messages).outcomes).toContainEqual(
      expect.objectContaining({
        message: 'download failed',
        fields: { path: '/upload/a', 'bytes-out': 0, reason: 'Input/output error' },
      }),
    );
  });
  it('are not made of a file that was opened to write, nor of one whose opening was not seen', () => {
    const writing = 'open "/upload/a" flags READ,WRITE mode 0644';
    expect(bytesOut([OPENED, writing, close('/upload/a', 0)])).toEqual([]);
    expect(bytesOut([OPENED, close('/upload/a', 0)])).toEqual([]);
  });
});

describe('a failing status after a line', () => {
  const VERBOSE = 'received client version 3';
  const upload = [openNew('/upload/a.part'), close('/upload/a.part', 3), RENAME, 'sent status No such file'];
  it('is the answer to that line in a verbose session', () => {
    expect(uploadsOf(foldAll([OPENED, VERBOSE, ...upload, CLOSED]).outcomes)).toEqual([
      'whole /upload/a.part 3',
    ]);
  });
  it('may be about a file that was looked up, without a line, in any other', () => {
    expect(uploadsOf(foldAll([OPENED, ...upload, CLOSED]).outcomes)).toEqual(['whole /upload/a 3']);
  });
  it('leaves it open whether the file was opened: a told end lists all open files, a killed session none', () => {
    const opening = [OPENED, openNew('/missing/b'), 'sent status No such file'];
    expect(uploadsOf(foldAll([...opening, CLOSED]).outcomes)).toEqual([]);
    expect(uploadsOf(foldAll([...opening, OPENED]).outcomes)).toEqual([
      'partial /missing/b null the session vanished',
    ]);
    expect(uploadsOf(foldAll([...opening, close('/missing/b', 3)]).outcomes)).toEqual(['whole /missing/b 3']);
  });
});

describe('names that sshd cut off its lines', () => {
  const letters = '\\345\\255\\227';
  it('counts the file without bytes where only the closing line was cut', () => {
    const name = `/upload/${'n'.repeat(455)}`;
    const { outcomes } = foldAll([OPENED, openNew(name).slice(0, 500), close(name, 1_000_000).slice(0, 500)]);
    expect(uploadsOf(outcomes)).toEqual([`whole ${name} null`]);
  });
  it('says that it does not know where the name fills both lines, since it may be a download', () => {
    const name = `/upload/${letters.repeat(45)}`;
    const { outcomes } = foldAll([OPENED, openNew(name).slice(0, 500), close(name, 1).slice(0, 500), CLOSED]);
    expect(uploadsOf(outcomes)).toEqual([]);
    expect(outcomes.filter(({ kind }) => kind === 'unknown')).toHaveLength(1);
  });
  it('knows the final name of a temporary file, where what is left of it shows no other', () => {
    const name = `/upload/${letters.repeat(24)}.csv`;
    const rename = `posix-rename old "${name}.part" new "${name}"`.slice(0, 500);
    const other = `posix-rename old "${name}.part" new "/upload/${letters.repeat(3)}${'\\345\\255\\230'.repeat(30)}`;
    const upload = [OPENED, openNew(`${name}.part`), close(`${name}.part`, 3)];
    expect(uploadsOf(foldAll([...upload, rename, CLOSED]).outcomes)).toEqual([
      `whole /upload/${'字'.repeat(24)}.csv 3`,
    ]);
    const { outcomes } = foldAll([...upload, other.slice(0, 500), CLOSED]);
    expect(outcomes.find(({ kind }) => kind === 'whole')).toMatchObject({ upload: { cut: true } });
  });
  it('shows only whole letters of a name that was cut', () => {
    const name = `/upload/${letters.repeat(45)}`;
    const beginnings = [498, 499, 500].map((length) => {
      const { outcomes } = foldAll([OPENED, openNew(name).slice(0, length), close(name, 1).slice(0, length)]);
      return outcomes.flatMap((each) => (each.kind === 'unknown' ? [each.beginning] : []));
    });
    expect(beginnings.flat().map((path) => path.replaceAll('字', ''))).toEqual(Array(3).fill('/upload/'));
  });
  it('counts a temporary file whose final name is cut', () => {
    const rename = `posix-rename old "/upload/a.part" new "/upload/${letters.repeat(45)}"`.slice(0, 500);
    const { outcomes } = foldAll([
      OPENED,
      openNew('/upload/a.part'),
      close('/upload/a.part', 3),
      rename,
      CLOSED,
    ]);
    const whole = outcomes.find(({ kind }) => kind === 'whole');
    expect(whole).toMatchObject({ upload: { bytes: 3, cut: true, uploadedAs: '/upload/a.part' } });
  });
});

describe('who may speak for whom', () => {
  it('keeps interleaved sessions apart', () => {
    const { outcomes } = foldAll([
      OPENED,
      ['session opened for local user bob from [10.0.0.2]', BOB],
      openNew('/upload/a'),
      [openNew('/upload/a'), BOB],
      close('/upload/a', 1),
      [close('/upload/a', 2), BOB],
    ]);
    const users = outcomes.flatMap((each) =>
      each.kind === 'whole' ? [[each.upload.user, each.upload.bytes, each.upload.address]] : [],
    );
    expect(users).toEqual([
      ['alice', 1, '127.0.0.1'],
      ['bob', 2, '10.0.0.2'],
    ]);
  });
  it.each<[string, [string, { uid: number; pid?: number; identifier?: string }]]>([
    ['a session opened in another’s name', [OPENED, { uid: 230002, pid: 300 }]],
    ['a session opened by a process of the host', [OPENED, { uid: 33, pid: 300 }]],
    ['an upload by a process of the host', [close('/upload/x', 5), { uid: 33, pid: 300 }]],
    [
      'a session of somebody who is no partner, by a process of the host',
      ['session opened for local user ghost from [203.0.113.9]', { uid: 33, pid: 300 }],
    ],
    ['an upload in another’s session', [close('/upload/x', 5), { uid: 230002, pid: 100 }]],
  ])('ignores %s, and says so', (_what, forged) => {
    const { outcomes } = foldAll([OPENED, openNew('/upload/x'), forged]);
    expect(uploadsOf(outcomes)).toEqual([]);
    expect(outcomes.at(-1)).toMatchObject({ kind: 'activity', level: 'warn' });
  });
  it('takes the monitor’s lines, which come from root', () => {
    const by = { pid: 400, uid: 0, identifier: 'sshd-session' };
    const { outcomes } = foldAll([
      [`${OPENED} [postauth]`, by],
      [`${openNew('/upload/a')} [postauth]`, by],
      [`${close('/upload/a', 3)} [postauth]`, by],
    ]);
    expect(outcomes.find(({ kind }) => kind === 'whole')).toMatchObject({
      upload: { user: 'alice', bytes: 3 },
    });
  });
  describe('through the monitor, whose pid all channels of a connection have', () => {
    const by = { pid: 400, uid: 0, identifier: 'sshd-session' };
    const relayed = (message: string) => [`${message} [postauth]`, by] as const;
    const LOGIN = [
      'Accepted publickey for alice from 127.0.0.1 port 5 ssh2: ED25519 SHA256:abc',
      by,
    ] as const;
    const first = [LOGIN, relayed(OPENED), relayed(openNew('/upload/a'))];
    it('tells two of them apart from a session that vanished', () => {
      const { outcomes, fold } = foldAll([
        ...first,
        relayed(OPENED),
        relayed(openNew('/upload/b')),
        relayed(close('/upload/b', 4)),
        relayed(CLOSED),
        relayed(close('/upload/a', 3)),
        relayed(CLOSED),
      ]);
      expect(uploadsOf(outcomes)).toEqual(['whole /upload/b 4', 'whole /upload/a 3']);
      expect(fold.sessions.size).toBe(0);
    });
    it('knows by the login that the pid is another connection’s', () => {
      const { outcomes } = foldAll([...first, LOGIN, relayed(OPENED)]);
      expect(uploadsOf(outcomes)).toEqual(['partial /upload/a null the session vanished']);
    });
    it('knows another user’s session for another connection, although its login was not seen', () => {
      const { outcomes } = foldAll([...first, relayed('session opened for local user bob from [127.0.0.1]')]);
      expect(uploadsOf(outcomes)).toEqual(['partial /upload/a null the session vanished']);
    });
    it('learns from the second whose the first is', () => {
      const { outcomes } = foldAll([
        relayed(openNew('/upload/a')),
        relayed(OPENED),
        relayed(close('/upload/a', 3)),
      ]);
      expect(outcomes.at(-1)).toMatchObject({ kind: 'whole', upload: { user: 'alice', bytes: 3 } });
    });
  });
  it('does not let a partner report a login', () => {
    const line = 'Accepted publickey for bob from 1.2.3.4 port 5 ssh2: ED25519 SHA256:abc';
    expect(foldAll([[line, { uid: 230001, identifier: 'sshd' }]]).outcomes).toEqual([]);
    expect(foldAll([[line, { uid: 0, identifier: 'sshd' }]]).outcomes).toMatchObject([
      { type: 'AUTH_SUCCESS' },
    ]);
  });
});

describe('sessions that end without a word', () => {
  it('ends the old session when its pid opens a new one', () => {
    const { outcomes, fold } = foldAll([OPENED, openNew('/upload/a'), OPENED]);
    expect(uploadsOf(outcomes)).toEqual(['partial /upload/a null the session vanished']);
    expect(fold.sessions.size).toBe(1);
  });
  it('ends all sessions of another boot', () => {
    const { outcomes } = foldAll([OPENED, openNew('/upload/a'), ['hello', { boot: 'ffff', pid: 1, uid: 0 }]]);
    expect(uploadsOf(outcomes)).toEqual(['partial /upload/a null the session vanished']);
  });
  it('ends a session whose process is gone, after its lines had time to come', () => {
    const { fold } = foldAll([OPENED, openNew('/upload/a')]);
    const vanishing = createVanishing({ exists: () => false, startTicks: () => undefined });
    const out: Parameters<typeof vanishing.end>[4] = [];
    vanishing.end(fold, T0 + 1_000, T0 + 1_000, PARTNERS, out);
    vanishing.end(fold, T0 + 2_500, T0 + 2_500, PARTNERS, out);
    expect(out).toEqual([]);
    vanishing.end(fold, T0 + 3_100, T0 + 3_100, PARTNERS, out);
    expect(uploadsOf(out)).toEqual(['partial /upload/a null the session vanished']);
    expect(fold.sessions.size).toBe(0);
  });
  it('ends one whose pid was given out anew before anybody looked', () => {
    const { fold } = foldAll([OPENED, openNew('/upload/a')]);
    // By the cursor its first line came when the host had just started.
    const vanishing = createVanishing({ exists: () => true, startTicks: () => 1e12 });
    const out: Parameters<typeof vanishing.end>[4] = [];
    for (let at = T0; at <= T0 + 10_000; at += 500) vanishing.end(fold, at, at, PARTNERS, out);
    expect(uploadsOf(out)).toEqual(['partial /upload/a null the session vanished']);
  });
  it('leaves a session alone whose process lives', () => {
    const { fold } = foldAll([OPENED, openNew('/upload/a')]);
    const vanishing = createVanishing({ exists: () => true, startTicks: () => 5 });
    vanishing.end(fold, T0 + 1e9, T0 + 1e9, PARTNERS, []);
    expect(fold.sessions.size).toBe(1);
  });
});

it('settles a rename that nothing followed, and a temporary name that nobody renames', () => {
  const { fold } = foldAll([OPENED, openNew('/upload/a.part'), close('/upload/a.part', 3), RENAME]);
  const out: Parameters<typeof settleSessions>[3] = [];
  settleSessions(fold, T0 + 500, PARTNERS, out);
  expect(uploadsOf(out)).toEqual([]);
  settleSessions(fold, T0 + 1_100, PARTNERS, out);
  expect(uploadsOf(out)).toEqual(['whole /upload/a 3']);

  const waiting = foldAll([OPENED, openNew('/upload/b.part'), close('/upload/b.part', 3)]).fold;
  settleSessions(waiting, T0 + 50_000, PARTNERS, out);
  expect(uploadsOf(out)).toHaveLength(1);
  settleSessions(waiting, T0 + 61_000, PARTNERS, out);
  expect(uploadsOf(out)).toEqual(['whole /upload/a 3', 'whole /upload/b.part 3']);
});

it('copies the sessions it is given', () => {
  const { fold } = foldAll([OPENED, openNew('/upload/a')]);
  const sessions = [...fold.sessions.values()];
  foldAll([close('/upload/a', 3)], createFold(sessions));
  expect(sessions[0]?.handles).toHaveLength(1);
});

it('ends a session although its pid belongs to another process by now, also after a restart of the agent', () => {
  const processes = { ticks: 5, exists: () => true, startTicks: () => processes.ticks };
  const { fold } = foldAll([OPENED, openNew('/upload/a')]);
  const first = createVanishing(processes);
  first.end(fold, T0, T0, PARTNERS, []);
  processes.ticks = 900;
  const out: Parameters<typeof first.end>[4] = [];
  const second = createVanishing(processes);
  const restored = createFold(structuredClone([...fold.sessions.values()]));
  for (let at = T0 + 10_000; at <= T0 + 20_000; at += 500) second.end(restored, at, at, PARTNERS, out);
  expect(uploadsOf(out)).toEqual(['partial /upload/a null the session vanished']);
  expect(restored.sessions.size).toBe(0);
});

describe('a file that waits for its rename in a session that is gone without a word', () => {
  const AGAIN = { pid: 101 };
  const lost = [OPENED, openNew('/upload/a.part'), close('/upload/a.part', 3)];
  const again = (message: string) => [message, AGAIN] as const;
  const ends = (messages: Parameters<typeof foldAll>[0]) => {
    const { outcomes, fold } = foldAll(messages);
    const vanishing = createVanishing({ exists: (pid) => pid !== 100, startTicks: () => 1 });
    for (const at of [T0 + 10_000, T0 + 20_000]) vanishing.end(fold, at, at, PARTNERS, outcomes);
    return outcomes.flatMap((each) =>
      each.kind === 'whole' || each.kind === 'moved' || each.kind === 'removed'
        ? [
            `${each.kind} ${each.kind === 'whole' ? each.upload.path : each.kind === 'moved' ? each.to : each.path}`,
          ]
        : [],
    );
  };

  it('was whole until another session writes over it', () => {
    expect(
      ends([
        ...lost,
        again(OPENED),
        again(openNew('/upload/a.part')),
        again(close('/upload/a.part', 4)),
        again(RENAME),
        again(CLOSED),
      ]),
    ).toEqual(['whole /upload/a.part', 'moved /upload/a', 'whole /upload/a']);
  });
  it('has its final name when another session renames it, alone or with its directory', () => {
    expect(ends([...lost, again(OPENED), again(RENAME), again(CLOSED)])).toEqual([
      'moved /upload/a',
      'whole /upload/a',
    ]);
    const directory = 'posix-rename old "/upload" new "/done"';
    expect(ends([...lost, again(OPENED), again(directory), again(CLOSED)])).toEqual([
      'moved /done',
      'whole /done/a.part',
    ]);
  });
  it('was whole until another session removes it', () => {
    expect(ends([...lost, again(OPENED), again('remove name "/upload/a.part"'), again(CLOSED)])).toEqual([
      'whole /upload/a.part',
      'removed /upload/a.part',
    ]);
  });
  it('is nobody else’s', () => {
    const bob = [
      ['session opened for local user bob from [10.0.0.2]', BOB],
      ['remove name "/upload/a.part"', BOB],
      ['session closed for local user bob from [10.0.0.2]', BOB],
    ] as const;
    expect(ends([...lost, ...bob])).toEqual(['removed /upload/a.part', 'whole /upload/a.part']);
  });
});
