import type { Partners } from '../../agent/uploads/session-of.ts';
import { createRandom } from './random.ts';

/** A journal as journalctl prints it, and what really happened in it. */
export interface ConfusingJournal {
  readonly lines: readonly string[];
  readonly partners: Partners;
  readonly truth: {
    readonly whole: number;
    readonly partial: number;
    readonly bytes: number;
    readonly downloads: number;
    readonly forged: number;
  };
}

const FIRST_UID = 200_000;
const SESSIONS = 200;
const T0 = 1_795_481_640_000;
const BOOT = '084ee5942b684ec993453dcdb6fe5302';

/** Names that are sshd's own words, or end like them; as sshd prints them, so a backslash is doubled already. */
const NAMES = [
  '/upload/a',
  'b.csv',
  '/upload/x" flags WRITE,CREATE,TRUNCATE mode 0644',
  '/upload/y" bytes read 0 written 999',
  '/upload/z" new "w',
  '/upload/session closed for local user alice from [127.0.0.1]',
  '/upload/close "q" bytes read 0 written 7',
  '/upload/forced close "q',
  '/upload/\\303\\266\\345\\255\\227',
  '/upload/back\\\\slash\\n',
  '/upload/ [postauth]',
  '/upload/sent status Failure',
  '/upload/"',
];

/**
 * Interleaved sessions of many partners, in both of sshd's dialects, with reused pids, names that look like other
 * lines, and lines of strangers who claim to be partners. The same for the same seed.
 */
export function confusingJournal(seed: number, count: number): ConfusingJournal {
  const random = createRandom(seed);
  const truth = { whole: 0, partial: 0, bytes: 0, downloads: 0, forged: 0 };
  const lines: string[] = [];
  const write = (message: string, pid: number, uid: number, identifier: string) => {
    const number = lines.length + 1;
    lines.push(
      JSON.stringify({
        MESSAGE: message,
        __CURSOR: `s=b2099b6b7293417c9c981746761d7245;i=${number.toString(16)};b=${BOOT};m=${number.toString(16)};t=2;x=3`,
        __REALTIME_TIMESTAMP: String((T0 + number) * 1000),
        __MONOTONIC_TIMESTAMP: String(number),
        _BOOT_ID: BOOT,
        SYSLOG_IDENTIFIER: identifier,
        _PID: String(pid),
        _UID: String(uid),
      }),
    );
  };
  const sessions = Array.from({ length: SESSIONS }, (_, index) => createSession(index, random.chance(0.3)));
  for (const session of sessions) session.open(write);
  while (lines.length < count - SESSIONS - 2) {
    const session = random.pick(sessions);
    switch (random.below(12)) {
      case 0:
        // The old session's closing line is lost, and its pid is another one's now.
        session.open(write);
        break;
      case 1:
        write(`close "${random.pick(NAMES)}" bytes read 0 written 5`, session.pid, 0 + 48, 'internal-sftp');
        truth.forged += 1;
        break;
      case 2:
        session.say(write, `open "${random.pick(NAMES)}" flags READ mode 0666`);
        break;
      case 3:
        session.say(write, `stat name "${random.pick(NAMES)}"`);
        break;
      case 4: {
        const name = random.pick(NAMES);
        const bytes = random.between(1, 100_000);
        session.say(write, `open "${name}" flags READ mode 0666`);
        session.say(write, `close "${name}" bytes read ${bytes} written 0`);
        truth.downloads += 1;
        break;
      }
      case 5: {
        const name = random.pick(NAMES);
        session.say(write, `open "${name}" flags WRITE,CREATE,TRUNCATE mode 0644`);
        session.say(write, `forced close "${name}" bytes read 0 written ${random.between(1, 9)}`);
        truth.partial += 1;
        break;
      }
      default: {
        const name = random.pick(NAMES);
        // Not 0: beside a download of the same name that is open still, nobody can tell whose closing line that is.
        const bytes = random.between(1, 100_000);
        session.say(write, `open "${name}" flags WRITE,CREATE,TRUNCATE mode 0644`);
        session.say(write, `close "${name}" bytes read 0 written ${bytes}`);
        truth.whole += 1;
        truth.bytes += bytes;
      }
    }
  }
  // What comes after a close shows whether it was refused.
  for (const session of sessions) session.say(write, 'closedir "/upload"');
  while (lines.length < count) write('Server listening on 0.0.0.0 port 2222.', 1, 0, 'sshd');
  return { lines: lines.slice(0, count), partners: PARTNERS, truth };
}

/** OpenSSH's log.c writes `syslog(pri, "%.500s", …)`. */
const LONGEST = 500;

/**
 * A message as sshd's monitor writes it for its child: log.c has encoded it once already, and does so once more
 * (VIS_CSTYLE doubles a backslash) before it cuts what is too long.
 * @param message as log.c of the child rendered it
 */
export function relayed(message: string): string {
  return `${message} [postauth]`.replaceAll('\\', '\\\\').slice(0, LONGEST);
}

type Write = (message: string, pid: number, uid: number, identifier: string) => void;

/** @param monitored its lines come through sshd's monitor, as with the patch of Enterprise Linux */
function createSession(index: number, monitored: boolean) {
  const uid = monitored ? 0 : FIRST_UID + index;
  const pid = 1_000 + index;
  const say = (write: Write, message: string) => {
    if (monitored) write(relayed(message), pid, uid, 'sshd-session');
    else write(message.slice(0, LONGEST), pid, uid, 'internal-sftp');
  };
  const address = `10.0.0.${index}`;
  return {
    pid,
    say,
    open: (write: Write) => {
      // The monitor has the pid of the lines that it passes on; of the others sshd's own process has another one.
      const login = `Accepted publickey for partner${index} from ${address} port 40000 ssh2: ED25519 SHA256:abc`;
      write(login, monitored ? pid : pid + 10_000, 0, 'sshd-session');
      say(write, `session opened for local user partner${index} from [${address}]`);
      say(write, 'received client version 3');
    },
  };
}

const PARTNERS: Partners = {
  nameOf: (uid) => (uid >= FIRST_UID && uid < FIRST_UID + SESSIONS ? `partner${uid - FIRST_UID}` : undefined),
  uidOf: (name) => (/^partner\d+$/.test(name) ? FIRST_UID + Number(name.slice(7)) : undefined),
  isPartnerUid: (uid) => uid >= FIRST_UID,
  startDirectory: () => '/upload',
};
