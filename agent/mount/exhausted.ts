import type { Diagnosis } from './diagnose.ts';
import type { Fault } from './health.ts';
import type { Sight } from './identity.ts';
import type { Attempt } from './remedy.ts';

/** No step is left and the mount is no better: what to tell the operator. */
export function exhausted(fault: Fault, sight: Sight, attempt: Attempt): Diagnosis {
  if (sight.kind === 'foreign') {
    const hint = 'unmount it by hand; a file system that is not the configured one is never forced';
    return { detail: sight.detail, hint };
  }
  if (!attempt.done.has('mount')) {
    return {
      detail: 'the dead mount could not be taken away: processes hold it',
      hint: 'see who holds it with fuser -vm, or reboot the host',
    };
  }
  return (
    FRESH_BUT_SICK[fault] ?? {
      detail: `freshly mounted, it is ${fault}`,
      hint: 'see journalctl -u s3files-sftp-agent',
    }
  );
}

const FRESH_BUT_SICK: Partial<Record<Fault, Diagnosis>> = {
  denied: {
    detail: 'it mounts, but denies root to write',
    hint: 'allow s3files:ClientWrite and s3files:ClientRootAccess to the instance’s role, and mount without an access point that has a posixUser',
  },
  'read-only': {
    detail: 'it mounts read-only',
    hint: 'allow s3files:ClientWrite to the instance’s role, and remove ro from mount.options',
  },
  hung: {
    detail: 'it mounts, but does not answer',
    hint: 'see /var/log/amazon/efs/*.efs-proxy.log, and whether TCP 2049 to the mount target is open',
  },
  stale: {
    detail: 'it mounts, but answers with errors',
    hint: 'see the file system’s status in the S3 Files console: its bucket or role may be gone',
  },
};
