import { Agent, type AgentOptions } from 'node:http';
import { join } from 'node:path';
import { AWS_PORT, AWS_SOCKET } from './outside/protocol.ts';

export const REGION = 'eu-central-1';

/** What a process in the host needs in its environment to find this AWS. moto takes any credentials. */
export const AWS_ENVIRONMENT = {
  AWS_ENDPOINT_URL: `http://127.0.0.1:${AWS_PORT}`,
  AWS_REGION: REGION,
  AWS_ACCESS_KEY_ID: 'bed',
  AWS_SECRET_ACCESS_KEY: 'bed',
} as const;

/** Options of any AWS SDK client of a test's own. @param directory the bed's, with the socket of AWS's front door */
export function clientOptions(directory: string) {
  return {
    region: REGION,
    endpoint: AWS_ENVIRONMENT.AWS_ENDPOINT_URL,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestHandler: { httpAgent: frontDoorAgent(directory) },
  };
}

/** AWS's address is one in the bed's network; from out here it is reached through a Unix socket. */
function frontDoorAgent(directory: string): Agent {
  // Node hands an agent's options on to each request, where socketPath counts; its types don't know.
  const options: AgentOptions & { socketPath: string } = { socketPath: join(directory, AWS_SOCKET) };
  return new Agent(options);
}
