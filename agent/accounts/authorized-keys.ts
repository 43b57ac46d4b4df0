import { intersectNetworks, type Network, parseNetwork } from './network.ts';
import { liveKeys, type Partner, type PartnerKey } from './partner.ts';

const HEADER = '# Written by s3files-sftp-agent, which undoes every edit: change the secret instead.\n';

/**
 * The text of a partner's key file: one line for each key that is live now. Each begins with `restrict`; nothing else
 * but `from=` and `expiry-time=` follows, both made here from parsed values (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 * @param now ms since 1970
 * @returns an empty string when no key is live: then there is no file
 */
export function renderAuthorizedKeys(partner: Partner, now: number): string {
  const lines = liveKeys(partner, now).flatMap((key) => lineOf(partner, key) ?? []);
  return lines.length === 0 ? '' : `${HEADER}${lines.join('\n')}\n`;
}

function lineOf(partner: Partner, key: PartnerKey): string | undefined {
  const options = ['restrict'];
  const networks = sourceNetworks(partner, key);
  if (networks?.length === 0) return undefined;
  if (networks) options.push(`from="${networks.map(({ text }) => text).join(',')}"`);
  const ends = [partner.expires, key.expires].filter((time) => time !== null);
  if (ends.length > 0) options.push(`expiry-time="${localTime(Math.min(...ends))}"`);
  return `${options.join(',')} ${key.type} ${key.base64}`;
}

/** The networks that both the user and the key allow; undefined: any. Empty: none, so the key is of no use. */
export function sourceNetworks(
  { networks }: Pick<Partner, 'networks'>,
  { from }: Pick<PartnerKey, 'from'>,
): readonly Network[] | undefined {
  const parse = (texts: readonly string[]) => texts.flatMap((text) => parseNetwork(text) ?? []);
  if (networks === null) return from === null ? undefined : parse(from);
  return from === null ? parse(networks) : intersectNetworks(parse(networks), parse(from));
}

/** YYYYMMDDHHMMSS in UTC. The suffix `Z` exists only since OpenSSH 9.1, so the partner sshd runs with TZ=UTC. */
function localTime(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replace(/[-T:]/g, '');
}
