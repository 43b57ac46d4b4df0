import type { Bed } from '../bed/boot.ts';
import type { Login } from '../bed/clients.ts';
import { accountReady, PREFIX, startAgent, waitHealthy } from '../bed/product.ts';
import { prepareDisks, prepareSmallDirectory } from './weather.ts';

/** Starts the product with so many partners, who can all log in. */
export async function enterPartners(bed: Bed, count: number): Promise<Login[]> {
  const logins: Login[] = [];
  for (let number = 1; number <= count; number += 1) {
    const user = `partner${number}`;
    logins.push({ user, key: await bed.clients.key(user) });
  }
  await prepareDisks(bed);
  const users = Object.fromEntries(logins.map(({ user, key }) => [user, { publicKeys: [key.publicKey] }]));
  await bed.aws.putSecret(`${PREFIX}all`, { users });
  await startAgent(bed);
  await waitHealthy(bed, 60);
  for (const { user } of logins) {
    await accountReady(bed, user);
    await prepareSmallDirectory(bed, user);
  }
  return logins;
}
