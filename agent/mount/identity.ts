import { type MountEntry, mountDepth, visibleMount } from './mountinfo.ts';
import { type MountState, parseStateFile, stateFileName } from './state-file.ts';

/** The form in which the mount must appear in mountinfo. */
export interface MountExpectation {
  /** `nfs4` for the helper's mounts. */
  readonly fsType: string;
}

/** What mount.s3files 3.x makes: NFS 4.2 through a tunnel on a port of 127.0.0.1. */
export const REAL_MOUNT: MountExpectation = { fsType: 'nfs4' };

/** What lies at the mount's path, without touching it. */
export type Sight =
  | { readonly kind: 'absent' }
  | { readonly kind: 'foreign'; readonly mountId: number; readonly depth: number; readonly detail: string }
  | {
      readonly kind: 'ours';
      readonly mountId: number;
      readonly depth: number;
      readonly readOnly: boolean;
      readonly port: number;
      readonly proxyPid: number | undefined;
      /** By what the partner sshd, when it starts, knows this very mount again; see {@link proofOf}. */
      readonly proof: string;
    };

export interface Evidence {
  readonly path: string;
  readonly fileSystemId: string;
  readonly expectation: MountExpectation;
  readonly entries: readonly MountEntry[];
  /** Names in the helper's state directory. */
  readonly stateNames: readonly string[];
  /** The text of one of them, or undefined when it is gone. */
  readonly stateText: (name: string) => string | undefined;
}

/**
 * Says what is mounted. Neither the file system's id nor its type appears in mountinfo: the mount's port leads to the
 * helper's state file, and that names the file system. Whatever is not proven to be the configured one is foreign.
 */
export function identify(evidence: Evidence): Sight {
  const { entries, path, expectation, fileSystemId } = evidence;
  const entry = visibleMount(entries, path);
  if (entry === undefined) return { kind: 'absent' };
  const common = { mountId: entry.id, depth: mountDepth(entries, path) };
  const foreign = (detail: string): Sight => ({ kind: 'foreign', ...common, detail });

  if (entry.fsType !== expectation.fsType) {
    return foreign(
      `a file system of type ${entry.fsType} (${entry.source}) is mounted there, not ${fileSystemId}`,
    );
  }
  const port = tunnelPort(entry, expectation);
  if (port === undefined) {
    return foreign(`the mount goes to ${entry.source}, not through the helper's tunnel on 127.0.0.1`);
  }
  const state = stateOf(evidence, port);
  if (state === undefined) {
    return foreign(`no state file of the mount helper says which file system is behind port ${port}`);
  }
  if (state.fileSystemId !== fileSystemId) {
    return foreign(`${state.fileSystemId} is mounted there, not ${fileSystemId}`);
  }
  const readOnly = entry.options.includes('ro') || entry.superOptions.includes('ro');
  const proof = proofOf(entry, port);
  return { kind: 'ours', ...common, readOnly, port, proxyPid: state.proxyPid, proof };
}

/**
 * What a mount keeps in every mount namespace, and shares with no other: `DEVICE ROOT TYPE PORT`. packaging/systemd's
 * sshd-launcher makes the same of what it sees.
 */
function proofOf({ device, root, fsType }: MountEntry, port: number): string {
  return `${device} ${root} ${fsType} ${port}`;
}

function tunnelPort({ source, superOptions }: MountEntry, expectation: MountExpectation): number | undefined {
  const option = superOptions.find((text) => /^port=\d{1,5}$/.test(text));
  if (option !== undefined && source.startsWith('127.0.0.1:')) return Number(option.slice('port='.length));
  // A stand-in's file system can't show the port among its options.
  if (expectation.fsType === REAL_MOUNT.fsType) return undefined;
  const match = /,port=(\d{1,5})$/.exec(source);
  return match === null ? undefined : Number(match[1]);
}

function stateOf({ stateNames, stateText, path }: Evidence, port: number): MountState | undefined {
  const name = stateFileName(stateNames, path, port);
  const text = name === undefined ? undefined : stateText(name);
  return name === undefined || text === undefined ? undefined : parseStateFile(name, text, path);
}
