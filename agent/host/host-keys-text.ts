import * as v from 'valibot';
import { OperationError } from '../operation-error.ts';
import { HOST_KEY_KINDS, type HostKeyKind } from './host-keys.ts';

/** Private keys by their kind, in any form that ssh-keygen reads without a passphrase; each ends in one newline. */
export type HostKeyTexts = Readonly<Partial<Record<HostKeyKind, string>>>;

const HINT = `it holds JSON: {${HOST_KEY_KINDS.map((kind) => `"${kind}"?: "-----BEGIN …"`).join(', ')}}`;

/** 16,384 bits of RSA, the most that OpenSSH takes, are 13 kB. */
const LONGEST = 16_384;

const privateKey = v.pipe(
  v.string(),
  v.maxLength(LONGEST),
  v.transform((text) => `${text.replaceAll(/\r\n?/g, '\n').trim()}\n`),
  v.regex(/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\n[\s\S]*\n-----END [A-Z0-9 ]*PRIVATE KEY-----\n$/),
);

const document = v.strictObject({
  ed25519: v.optional(privateKey),
  ecdsa: v.optional(privateKey),
  rsa: v.optional(privateKey),
} satisfies Record<HostKeyKind, unknown>);

/**
 * @param secret its name, for the error; @param text its value, or undefined while it has none
 * @throws OperationError that names what is wrong and quotes nothing of the value
 */
export function parseHostKeys(secret: string, text: string | undefined): HostKeyTexts {
  if (text === undefined) return {};
  const operation = { op: 'read host keys of secret', target: secret, hint: HINT };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    // JSON.parse's own message quotes the text.
    throw new OperationError(operation, 'its value is not JSON');
  }
  const result = v.safeParse(document, raw);
  if (!result.success) {
    const keys = result.issues.map((issue) => v.getDotPath(issue) ?? 'the value');
    throw new OperationError(operation, `not a private key, or not a kind of key: ${keys.join(', ')}`);
  }
  const { ed25519, ecdsa, rsa } = result.output;
  return {
    ...(ed25519 !== undefined && { ed25519 }),
    ...(ecdsa !== undefined && { ecdsa }),
    ...(rsa !== undefined && { rsa }),
  };
}
