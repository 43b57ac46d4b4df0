import fc from 'fast-check';
import { expect, it } from 'vitest';
import { journalLineOf } from '../../../agent/uploads/journal-line.ts';
import type { Outcome } from '../../../agent/uploads/outcome.ts';
import { parseMessage } from '../../../agent/uploads/parse.ts';
import { createFold, foldLine } from '../../../agent/uploads/sessions.ts';
import { confusingJournal, relayed } from '../../storm/confusing-journal.ts';

it('counts a million lines with names chosen to confuse as what they are', { timeout: 120_000 }, () => {
  const { lines, partners, truth } = confusingJournal(7, 1_000_000);
  const fold = createFold([]);
  const found = { whole: 0, partial: 0, bytes: 0, downloads: 0, forged: 0 };
  const outcomes: Outcome[] = [];
  for (const text of lines) {
    const line = journalLineOf(text);
    if (line === undefined) throw new Error(text);
    foldLine(fold, line, partners, outcomes);
    for (const outcome of outcomes.splice(0)) {
      if (outcome.kind === 'whole') {
        found.whole += 1;
        found.bytes += outcome.upload.bytes ?? 0;
      } else if (outcome.kind === 'partial') found.partial += 1;
      else if (outcome.kind === 'activity' && outcome.message === 'download complete') found.downloads += 1;
      else if (outcome.kind === 'activity' && outcome.message.includes('no right to')) found.forged += 1;
    }
  }
  expect(found).toEqual(truth);
});

const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '"',
        ' ',
        'open ',
        'close ',
        ' flags ',
        'WRITE',
        ' bytes read ',
        '0',
        ' written ',
        ' new ',
        '\\',
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join('')),
);
const identifier = fc.constantFrom('internal-sftp', 'sshd', 'sshd-session', 'sudo', '');

it('survives any text, and takes no more than a line’s length of time for it', () => {
  fc.assert(
    fc.property(identifier, fc.oneof(name, fc.string({ unit: 'binary', maxLength: 600 })), (who, text) => {
      expect(typeof parseMessage(who, text).kind).toBe('string');
    }),
    { numRuns: 20_000 },
  );
  const worst = `rename old "${'" new "'.repeat(20_000)}"`;
  const began = process.cpuUsage();
  parseMessage('internal-sftp', worst);
  parseMessage('internal-sftp', `close "${'" bytes read '.repeat(20_000)}`);
  parseMessage('sshd', `Failed password for ${' from 1 port 2 ssh2'.repeat(5_000)}`);
  expect(process.cpuUsage(began).user / 1_000).toBeLessThan(500);
});

it('reads back any name that fits a line, whatever it imitates', () => {
  fc.assert(
    fc.property(name, fc.nat(), fc.boolean(), (each, bytes, monitored) => {
      const parse = (message: string) =>
        monitored ? parseMessage('sshd-session', relayed(message)) : parseMessage('internal-sftp', message);
      // As sshd's first encoding has it; what follows a cut is another test's.
      const encoded = each.replaceAll('\\', '\\\\').slice(0, 100);
      const opened = parse(`open "${encoded}" flags WRITE,CREATE,TRUNCATE mode 0644`);
      expect(opened).toEqual({ kind: 'opened', name: encoded, writes: true, fresh: true });
      const closed = parse(`close "${encoded}" bytes read 0 written ${bytes}`);
      expect(closed).toEqual({ kind: 'closed', name: encoded, forced: false, read: 0, written: bytes });
    }),
    { numRuns: 5_000 },
  );
});

it('takes nothing that is no entry of the journal for a line', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((each) => JSON.stringify(each)),
      ),
      (text) => {
        expect(journalLineOf(text)).toBeUndefined();
      },
    ),
    { numRuns: 5_000 },
  );
});

it('reads each field as JSON has it, whatever the others hold', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc
      .array(fc.constantFrom('"', '\\', '"_PID":"', ',"_UID":"0"', '"MESSAGE":"', '}', 'x', '\u0000', 'ö'), {
        maxLength: 12,
      })
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(
      value,
      value,
      fc.nat(),
      fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
      (message, other, pid, order) => {
        const members: [string, string][] = [
          ['MESSAGE', message],
          ['OTHER', other],
          ['__CURSOR', 's=b2099b6b7293417c9c981746761d7245;i=1;b=2;m=3;t=4;x=5'],
          ['_PID', String(pid + 1)],
          ['_UID', '7'],
          ['_BOOT_ID', 'b'],
          ['SYSLOG_IDENTIFIER', 'sshd'],
          ['__REALTIME_TIMESTAMP', '1795481640000000'],
        ];
        const text = JSON.stringify(Object.fromEntries(order.map((index) => members[index] ?? ['', ''])));
        expect(journalLineOf(text)).toMatchObject({
          message,
          pid: pid + 1,
          uid: 7,
          boot: 'b',
          identifier: 'sshd',
        });
      },
    ),
    { numRuns: 20_000 },
  );
});
