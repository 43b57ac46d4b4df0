import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { nameOf, OperationError } from '../operation-error.ts';

/** The value of the secret, as it was at one version. */
export interface StoredText {
  /** Undefined while the secret has no value. */
  readonly text: string | undefined;
  /** Empty while the secret has no value. */
  readonly versionId: string;
}

/** One secret that all hosts of a service share. */
export interface HostKeysSecret {
  /** @throws OperationError */
  read(name: string, signal: AbortSignal): Promise<StoredText>;
  /**
   * Gives the secret a new value, unless somebody has used the token for another one before.
   * @param token 32–64 characters; it becomes the version's id
   * @returns whether the value is the secret's now
   * @throws OperationError
   */
  write(name: string, text: string, token: string, signal: AbortSignal): Promise<boolean>;
}

const HINT =
  'allow the host’s role secretsmanager:GetSecretValue and PutSecretValue on it, and its KMS key; hosts that have keys go on with them';

/** Keeps host keys in AWS Secrets Manager. @param region undefined: AWS_REGION names it */
export function createHostKeysSecret(region: string | undefined): HostKeysSecret {
  const client = new SecretsManagerClient({
    ...(region !== undefined && { region }),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 15_000, throwOnRequestTimeout: true },
  });
  return {
    read: async (name, abortSignal) => {
      try {
        const command = new GetSecretValueCommand({ SecretId: name });
        const { SecretString: text, VersionId: versionId = '' } = await client.send(command, { abortSignal });
        if (text === undefined) throw new TypeError('its value is binary');
        return { text, versionId };
      } catch (cause) {
        // Said of a secret without a value as of one that doesn't exist; writing it tells them apart.
        if (nameOf(cause) === 'ResourceNotFoundException') return { text: undefined, versionId: '' };
        throw new OperationError({ op: 'read secret', target: name, hint: HINT }, cause);
      }
    },
    write: async (name, SecretString, ClientRequestToken, abortSignal) => {
      try {
        const input = { SecretId: name, SecretString, ClientRequestToken };
        await client.send(new PutSecretValueCommand(input), { abortSignal });
        return true;
      } catch (cause) {
        // "If a version with this value already exists and that version's SecretString is different, the request
        // fails": https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
        if (nameOf(cause) === 'ResourceExistsException') return false;
        throw new OperationError({ op: 'write secret', target: name, hint: HINT }, cause);
      }
    },
  };
}
