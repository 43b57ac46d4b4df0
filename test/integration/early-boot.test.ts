import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EARLY_BOOT } from '../../provision/early-boot.ts';
import { type Bed, boot } from '../bed/boot.ts';

/**
 * What the early part of the hosts' user data does to a stock sshd that systemd has queued behind cloud-init's first
 * stage, on a real systemd.
 */

const STOCK_SSHD = `[Unit]
Description=the stock sshd
[Service]
ExecStart=/bin/sleep infinity
`;

/** cloud-init's first stage as its unit orders it (systemd/cloud-init.service of cloud-init 22.2). */
const FIRST_STAGE = `[Unit]
Description=cloud-init's first stage
DefaultDependencies=no
Before=sshd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/early-boot
`;

/** Both in one transaction, as at boot. */
const TARGET = '[Unit]\nWants=first-stage.service sshd.service\nAfter=first-stage.service sshd.service\n';

let bed: Bed;
beforeAll(async () => {
  bed = await boot();
  await bed.writeFile('/usr/lib/systemd/system/sshd.service', STOCK_SSHD);
  await bed.writeFile('/usr/lib/systemd/system/first-stage.service', FIRST_STAGE);
  await bed.writeFile('/usr/lib/systemd/system/booting.target', TARGET);
  await bed.run(['systemctl', 'daemon-reload']);
});
afterAll(async () => await bed?.shutdown());

async function bootWith(script: string) {
  await bed.writeFile('/usr/local/sbin/early-boot', script, '755');
  await bed.run(['systemctl', 'stop', 'booting.target', 'first-stage.service', 'sshd.service']);
  const since = (await bed.journal({ unit: 'sshd.service' })).length;
  await bed.run(['systemctl', 'start', 'booting.target']);
  return {
    stage: await bed.unit('first-stage.service', 'ActiveState'),
    sshd: await bed.unit('sshd.service', 'ActiveState'),
    said: (await bed.journal({ unit: 'sshd.service' })).slice(since).map(({ MESSAGE }) => MESSAGE),
  };
}

describe('the stock sshd', () => {
  test('starts behind the first stage where nothing keeps it from that', async () => {
    const { stage, sshd } = await bootWith('#!/bin/sh\ntrue\n');
    expect({ stage, sshd }).toEqual({ stage: 'active', sshd: 'active' });
  });

  test('never starts on a host of the stack, at the first boot and at every later one', async () => {
    for (const _ of ['first', 'later']) {
      const { stage, sshd, said } = await bootWith(EARLY_BOOT);
      expect({ stage, sshd }).toEqual({ stage: 'active', sshd: 'inactive' });
      expect(said.filter((line) => line?.startsWith('Started'))).toEqual([]);
    }
  });
});
