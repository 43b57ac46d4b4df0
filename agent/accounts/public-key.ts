import { createHash } from 'node:crypto';
import keyParser from 'ssh2/lib/protocol/keyParser.js';

/** The key types that a partner may log in with, and how many fields each has on the wire (RFC 4253, 5656, 8709). */
const FIELDS = {
  'ssh-ed25519': 2,
  'sk-ssh-ed25519@openssh.com': 3,
  'ecdsa-sha2-nistp256': 3,
  'ecdsa-sha2-nistp384': 3,
  'ecdsa-sha2-nistp521': 3,
  'sk-ecdsa-sha2-nistp256@openssh.com': 4,
  'ssh-rsa': 3,
} as const;

export type KeyType = keyof typeof FIELDS;

const KEY_TYPES = Object.keys(FIELDS) as readonly KeyType[];

/** A public key without comment and options: all of it is safe to write into a line of authorized_keys. */
export interface PublicKey {
  readonly type: KeyType;
  /** The key's wire form in canonical base64. */
  readonly base64: string;
  /** As OpenSSH prints it: `SHA256:` and unpadded base64. */
  readonly fingerprint: string;
}

export type KeyVerdict =
  | { readonly ok: true; readonly key: PublicKey }
  | { readonly ok: false; readonly problem: string };

/** NIST SP 800-131A: 2048-bit RSA is acceptable until 2030 only; 3072 bits hold beyond. */
const RSA_LEAST_BITS = 3072;
/** OpenSSH refuses more (OPENSSL_RSA_MAX_MODULUS_BITS). */
const RSA_MOST_BITS = 16_384;
/** An RSA key of 16,384 bits is 2.8 kB of base64. */
const LONGEST_LINE = 8192;

/**
 * Reads one OpenSSH public key line, `type base64 [comment]`. Options before the type, certificates, private keys and
 * other formats are refused with the reason; the comment is dropped. Reasons never repeat the text.
 */
export function parsePublicKey(text: string): KeyVerdict {
  if (text.length > LONGEST_LINE) return refuse(`is longer than ${LONGEST_LINE} characters`);
  // A trailing line end comes along whenever a .pub file is pasted; a line end anywhere else could start a new line.
  const line = text.replace(/^[ \t]+|[ \t\r\n]+$/g, '');
  const foreign = foreignFormat(line);
  if (foreign !== undefined) return refuse(foreign);
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(line.replaceAll('\t', ' ')))
    return refuse('holds a line break or control character');
  const [named = '', base64 = ''] = line.split(/[ \t]+/);
  // The constant, and not the part of the line: of thousands of keys each would keep a copy.
  const type = KEY_TYPES.find((known) => known === named);
  if (type === undefined) return refuse(wrongType(named, line));
  const blob = Buffer.from(base64, 'base64');
  // Not the part of the line, which would keep all of the line in memory.
  const canonical = blob.toString('base64');
  if (blob.length === 0 || canonical !== base64) return refuse('is not whole: its base64 is malformed');
  const fields = wireFields(blob);
  if (fields?.length !== FIELDS[type] || fields[0]?.toString('latin1') !== type) {
    return refuse('is not whole: its content does not match its type');
  }
  const size = type === 'ssh-rsa' ? rsaFault(fields[2]) : undefined;
  if (size !== undefined) return refuse(size);
  // ssh2 1.17 knows no sk- keys.
  if (!type.startsWith('sk-') && keyParser.parseKey(`${type} ${base64}`) instanceof Error) {
    return refuse(`is not a valid ${type} key`);
  }
  return { ok: true, key: { type, base64: canonical, fingerprint: fingerprintOf(blob) } };
}

/** Of a key's wire form, as OpenSSH prints it (ssh-keygen(1), -l) and sshd logs it. */
export function fingerprintOf(blob: Buffer): string {
  const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  // join() copies them into one string; a template would keep both in memory, and the whole as a third.
  return ['SHA256:', digest].join('');
}

function refuse(problem: string): KeyVerdict {
  return { ok: false, problem };
}

function foreignFormat(line: string): string | undefined {
  if (line === '') return 'is empty';
  if (/PRIVATE KEY/.test(line))
    return 'is a PRIVATE key: it is compromised now; make a new pair and send the .pub file';
  if (/^PuTTY-User-Key-File/.test(line)) return 'is a PuTTY private key file; send the OpenSSH public key';
  if (/^---- ?BEGIN SSH2/.test(line))
    return 'is in SSH2 (RFC 4716) format; convert it: ssh-keygen -i -f FILE';
  if (/^-----BEGIN/.test(line)) return 'is in PEM format; convert it: ssh-keygen -i -m PKCS8 -f FILE';
  return undefined;
}

function wrongType(type: string, line: string): string {
  if (/-cert-v0[01]@openssh\.com$/.test(type)) return 'is a certificate; send the plain public key';
  if (type === 'ssh-dss') return 'is a DSA key, which OpenSSH no longer takes';
  if (KEY_TYPES.some((known) => line.includes(`${known} `))) {
    return 'has options before its type, which are refused; use "from" and "expires" of the secret';
  }
  return 'is not an OpenSSH public key of a type that is accepted (ed25519, ecdsa, rsa, and their sk- forms)';
}

/** Splits SSH's wire form (RFC 4251 string fields); undefined where lengths don't add up. */
function wireFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function rsaFault(modulus: Buffer | undefined): string | undefined {
  const hex = modulus?.toString('hex').replace(/^0+/, '') ?? '';
  const bits = hex === '' ? 0 : (hex.length - 1) * 4 + Number.parseInt(hex.charAt(0), 16).toString(2).length;
  if (bits < RSA_LEAST_BITS) return `is an RSA key of ${bits} bits; at least ${RSA_LEAST_BITS} are needed`;
  if (bits > RSA_MOST_BITS) return `is an RSA key of ${bits} bits; OpenSSH takes at most ${RSA_MOST_BITS}`;
  return undefined;
}
