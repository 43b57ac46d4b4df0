import type { Config } from '../config.ts';
import type { Edges } from '../os/edges.ts';
import type { HostKeysSecret } from './host-keys-secret.ts';
import type { HostPaths } from './paths.ts';
import { shareHostKeys } from './shared-host-keys.ts';

/** Keeps the host's keys those of the secret that the configuration names; without one there is nothing to do. */
export interface HostKeysWatch {
  /** One look at the secret. @throws OperationError; the host's keys are then as they were */
  tick(signal: AbortSignal): Promise<void>;
  /** How long to rest until the next one, in ms. */
  restMs(): number;
}

/** Keys that an operator puts into the secret are on every host by then; 4,320 reads a month cost two cents. */
const LOOK_MS = 600_000;
/** A new host serves nobody until it has them. */
const RETRY_MS = 5_000;

/** @param changed told after keys on this host became others */
export function createHostKeysWatch(
  config: () => Config,
  secret: HostKeysSecret,
  changed: () => void,
  paths: Pick<HostPaths, 'hostKeys' | 'runtime'>,
  { exec, log }: Pick<Edges, 'exec' | 'log'>,
): HostKeysWatch {
  let settled: string | undefined;
  return {
    restMs: () => (settled === config().sshd.host_keys_secret ? LOOK_MS : RETRY_MS),
    tick: async (signal) => {
      const name = config().sshd.host_keys_secret;
      if (name !== undefined) {
        const options = { directory: paths.hostKeys, runtime: paths.runtime, secret, exec };
        const kinds = await shareHostKeys(name, options, signal);
        if (kinds.length > 0) {
          log.warn({ kinds, secret: name }, 'this host has the secret’s host keys now');
          changed();
        }
      }
      settled = name;
    },
  };
}
