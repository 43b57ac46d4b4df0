import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bed } from '../bed/boot.ts';
import { until } from '../bed/command.ts';
import {
  AGENT,
  accountReady,
  agentEvents,
  agentStatus,
  bootWithProduct,
  PREFIX,
  productRpm,
  QUICK_CONFIG,
  SSHD,
  startAgent,
  waitHealthy,
} from '../bed/product.ts';

const SECRET = 'host-keys-of-the-service';
const KEYS = '/etc/s3files-sftp/host-keys';

let bed: Bed;

/** What a partner's client sees and pins. */
const fingerprint = async () =>
  (await bed.run(['sh', '-c', 'ssh-keyscan -t ed25519 -p 2222 127.0.0.1 2>/dev/null | ssh-keygen -lf -']))
    .split(' ')
    .at(1);

/** The agent first: one that is about to serve starts the sshd. */
const stop = async () => {
  await bed.run(['systemctl', 'stop', AGENT]);
  await bed.run(['systemctl', 'stop', SSHD]);
};

/** A host that was replaced has nothing of the old one but what lies outside of it. */
const replaceHost = async () => {
  await stop();
  await bed.run(['sh', '-c', `rm -f ${KEYS}/* /run/s3files-sftp/sshd_config`]);
};

beforeAll(async () => {
  bed = await bootWithProduct(
    await productRpm(),
    `${QUICK_CONFIG}\n[sshd]\nhost_keys_secret = "${SECRET}"\n`,
  );
  // As the stack makes it: without a value.
  const secrets = new SecretsManagerClient(bed.aws.clientOptions);
  await secrets.send(new CreateSecretCommand({ Name: SECRET }));
  secrets.destroy();
});
afterAll(async () => await bed?.shutdown());

describe('host keys that live in a secret', () => {
  let first: string | undefined;

  it('are made by the first host, and are those that partners see', async () => {
    await startAgent(bed);
    await waitHealthy(bed);
    first = await fingerprint();
    expect(first).toMatch(/^SHA256:/);
    expect((await bed.aws.calls('PutSecretValue')).length).toBe(1);
  });

  it('are shown again by a host that was replaced', async () => {
    await replaceHost();
    await startAgent(bed);
    await waitHealthy(bed);
    expect(await fingerprint()).toBe(first);
    expect((await bed.aws.calls('PutSecretValue')).length).toBe(1);
  });

  it('are served while AWS is away, by a host that has them', async () => {
    await stop();
    await bed.aws.unreachable();
    try {
      await startAgent(bed);
      await until('the sshd', async () => (await fingerprint()) === first, { timeoutMs: 20_000 });
    } finally {
      await bed.aws.reachable();
    }
  });

  it('are waited for by a new host while AWS is away: it refuses partners, and says why', async () => {
    await replaceHost();
    await bed.aws.unreachable();
    const began = Date.now();
    try {
      await startAgent(bed);
      const reason = async () => {
        const { reasons } = await agentStatus(bed);
        return reasons.some((each: string) => /host keys .* have not come from the secret/.test(each));
      };
      await until('the reason in the status', reason, { timeoutMs: 20_000, everyMs: 250 });
      expect(await bed.unit(SSHD, 'ActiveState')).not.toBe('active');
    } finally {
      await bed.aws.reachable();
    }
    await waitHealthy(bed, 60);
    expect(await fingerprint()).toBe(first);
    const complaints = (await agentEvents(bed)).filter(
      ({ msg, time }) =>
        Date.parse(String(time)) >= began &&
        /configuration: .*have not come from the secret/.test(String(msg)),
    );
    expect(complaints).toHaveLength(1);
  });

  it('that an operator puts there replace the old ones, and sessions go on', async () => {
    const key = await bed.clients.key('acme');
    await bed.aws.putSecret(`${PREFIX}acme`, { publicKeys: [key.publicKey] });
    await accountReady(bed, 'acme');
    const session = await bed.clients.connect({ user: 'acme', key });
    await bed.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', '/root/imported']);
    await bed.aws.putSecret(SECRET, { ed25519: await bed.readFile('/root/imported') });
    await bed.run(['systemctl', 'restart', AGENT]);
    const imported = (await bed.run(['ssh-keygen', '-lf', '/root/imported'])).split(' ').at(1);
    await until('the imported key', async () => (await fingerprint()) === imported, {
      timeoutMs: 20_000,
      everyMs: 250,
    });
    await session.put('still-open.txt', 'the session from before goes on');
    session.end();
  });
});
