import type { Bed } from '../bed/boot.ts';
import type { Login } from '../bed/clients.ts';
import { until } from '../bed/command.ts';
import { AGENT, agentStatus } from '../bed/product.ts';
import type { Gate } from './gate.ts';
import { contentOf } from './random.ts';
import { settle, settleUntold } from './settle.ts';
import type { Truth } from './truth.ts';

const JOURNAL = ['journalctl', '--namespace=s3files-sftp'] as const;
const WAIT = { timeoutMs: 120_000, everyMs: 200 };

/**
 * The sessions' journal is vacuumed, in front of the agent and behind it. A partner of its own uploads meanwhile, so
 * that it is known what was lost.
 * @param gate through which all other partners go
 */
export function vacuums(
  bed: Bed,
  login: Login,
  gate: Gate,
  truth: Truth,
): Readonly<Record<string, () => Promise<void>>> {
  let number = 0;
  const next = () => {
    number += 1;
    const content = contentOf({ seed: number, size: 1_000 + number });
    return { path: `/upload/vacuum-${number}.csv`, content, seed: { seed: number, size: content.length } };
  };
  const { user } = login;
  const told = async (session: Session) => {
    const { path, content, seed } = next();
    await session.put(path, content);
    settle(truth, user, { kind: 'put', path, content: seed });
    return path;
  };

  return {
    'journal vacuumed behind the agent': async () => {
      await bed.run([...JOURNAL, '--rotate']);
      const session = await bed.clients.connect(login);
      const path = await told(session);
      session.end();
      await until('the agent to have read on after the rotation', () => isTold(bed, path), WAIT);
      await bed.run([...JOURNAL, '--vacuum-size=1K']);
    },
    // The session goes on across the gap: what is closed before and after it is told, and nothing else as broken off.
    'journal vacuumed past the agent': async () => {
      await gate.close();
      try {
        const idle = async () => (await agentStatus(bed)).uploads.sessions === 0;
        await until('the agent to have seen the end of all sessions', idle, WAIT);
        const session = await bed.clients.connect(login);
        await told(session);
        const [lost, closedIn, closedAfter] = [next(), next(), next()];
        const endsInGap = await session.begin(closedIn.path, closedIn.content);
        const endsAfter = await session.begin(closedAfter.path, closedAfter.content);
        const opened = await told(session);
        await until('the agent to have read all', () => isTold(bed, opened), WAIT);
        await bed.run(['systemctl', 'stop', AGENT]);
        await session.put(lost.path, lost.content);
        await endsInGap.close();
        for (const { path, content } of [lost, closedIn]) settleUntold(truth, user, path, content);
        truth.gaps += 1;
        await bed.run([...JOURNAL, '--rotate']);
        await bed.run([...JOURNAL, '--vacuum-size=1K']);
        await endsAfter.close();
        settle(truth, user, { kind: 'put', path: closedAfter.path, content: closedAfter.seed });
        const after = await told(session);
        session.end();
        await bed.run(['systemctl', 'start', AGENT]);
        await until('the agent to have read on after the gap', () => isTold(bed, after), WAIT);
      } finally {
        gate.open();
      }
    },
  };
}

type Session = Awaited<ReturnType<Bed['clients']['connect']>>;

/** Whether an upload is in the agent's log: by then, what was read up to it is in the checkpoint. */
async function isTold(bed: Bed, path: string): Promise<boolean> {
  const { stdout } = await bed.exec(['journalctl', '--unit', AGENT, '--output=cat', '--lines=5000']);
  return stdout.split('\n').some((line) => line.includes(`"${path}"`) && line.includes('"upload complete"'));
}
