import type { MetricUpdate } from './metrics/buffer.ts';
import type { AgentStatus } from './status.ts';

/** The gauges of the catalogue, read off the agent's state at one moment. */
export function gauges({ at, startedAt, mount, accounts, uploads }: AgentStatus): MetricUpdate[] {
  return [
    { name: 'MountHealthy', value: mount.serving && mount.health === 'healthy' ? 1 : 0, at },
    {
      name: 'AccountSyncAgeSeconds',
      value: Math.max(0, at - (accounts.lastSuccessAt ?? startedAt)) / 1000,
      at,
    },
    { name: 'AccountSyncHeld', value: accounts.held, at },
    { name: 'ActiveUsers', value: accounts.active, at },
    { name: 'UndeliveredUploads', value: uploads.undelivered, at },
  ];
}
