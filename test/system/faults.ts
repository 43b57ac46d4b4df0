import { FILE_SYSTEM } from '../bed/s3-files.ts';

/** One thing that goes wrong with a mount. */
export interface MountFault {
  readonly title: string;
  /** Makes it go wrong: a shell script in the guest. */
  readonly inject: string;
  /** Takes the cause away. Without one it is gone at once, or it is for the agent to take away. */
  readonly clear?: string;
  /** The cause is something that only the agent takes away: it counts as gone once the agent has its verdict. */
  readonly agentEndsIt?: true;
  /** What breaks is not the mount but the helper's watchdog: the mount serves on, and the agent starts the watchdog. */
  readonly breaks?: 'helper-watchdog';
  /** A partner tries an upload meanwhile, whatever the load: without one nobody can notice. */
  readonly needsUpload?: true;
  /** How long the cause stays, in seconds, at the least; by then the agent rests between attempts. */
  readonly holdSeconds?: number;
  /** The mount may go on as if nothing had been: then there is nothing to notice. */
  readonly mayPassUnnoticed?: true;
  /** While somebody uses the mount the fault can't happen: what the command says then, and what a reader is told. */
  readonly refusedByKernel?: { readonly words: RegExp; readonly note: string };
  /** What the agent's log must say of the cause. */
  readonly diagnosis?: RegExp;
  /** Evidence is taken so late that the helper's watchdog has taken away by then whatever it ever does. */
  readonly tidied?: true;
}

const EXPORT = `/srv/s3files/${FILE_SYSTEM}`;
const EXPORT_CONF = '/etc/ganesha/export.conf';
const START_SERVER = 'systemctl reset-failed bed-nfs; systemctl start bed-nfs';
const KILL_SERVER =
  'systemctl kill -s KILL bed-nfs; while pgrep -x ganesha.nfsd >/dev/null; do sleep 0.1; done';

const DROP_PACKETS = `nft add table inet bed
nft add chain inet bed input '{ type filter hook input priority 0; }'
nft add rule inet bed input tcp dport 20490 drop
nft add rule inet bed input tcp sport 20490 drop`;

/** Faults of a mount that was healthy. */
export const FAULTS = {
  'server-killed': {
    title: 'server killed, and back later',
    inject: KILL_SERVER,
    clear: START_SERVER,
    holdSeconds: 20,
  },
  'server-stopped': {
    title: 'server stopped (SIGSTOP), and back later',
    inject: 'systemctl kill -s STOP bed-nfs',
    clear: 'systemctl kill -s CONT bed-nfs',
    holdSeconds: 20,
  },
  'packets-dropped': {
    title: 'packets to the server dropped, and let through later',
    inject: DROP_PACKETS,
    clear: 'nft delete table inet bed',
    holdSeconds: 20,
  },
  'server-restarted': {
    title: 'server restarted, its state kept',
    inject: `${KILL_SERVER}; ${START_SERVER}`,
    mayPassUnnoticed: true,
  },
  'server-restarted-stateless': {
    title: 'server restarted, its state lost',
    inject: `${KILL_SERVER}; rm -rf /var/lib/nfs/ganesha; ${START_SERVER}`,
    mayPassUnnoticed: true,
  },
  'export-replaced': {
    title: 'export replaced (ESTALE)',
    inject: `${KILL_SERVER}; mv ${EXPORT} ${EXPORT}.old; cp -a ${EXPORT}.old ${EXPORT}; rm -r ${EXPORT}.old; ${START_SERVER}`,
  },
  'read-only': {
    title: 'export turned read-only by the server, and back',
    inject: `sed -i 's/Access_Type = RW/Access_Type = RO/' ${EXPORT_CONF}; systemctl reload bed-nfs`,
    clear: `sed -i 's/Access_Type = RO/Access_Type = RW/' ${EXPORT_CONF}; systemctl reload bed-nfs`,
    holdSeconds: 5,
    needsUpload: true,
  },
  'remounted-read-only': {
    title: 'remounted read-only by hand',
    inject: 'mount -o remount,ro /home/sftp',
    refusedByKernel: { words: /busy/, note: 'the kernel refuses: files are open for writing' },
  },
  'proxy-killed': {
    title: 'proxy killed',
    inject: 'pkill -KILL -x efs-proxy',
    mayPassUnnoticed: true,
  },
  'proxy-stopped': {
    title: 'proxy stopped (SIGSTOP)',
    inject: 'pkill -STOP -x efs-proxy',
    agentEndsIt: true,
  },
  'watchdog-dead': {
    title: 'the helper’s watchdog dead',
    inject: 'systemctl stop amazon-efs-mount-watchdog',
    breaks: 'helper-watchdog',
    agentEndsIt: true,
  },
  'proxy-killed-no-watchdog': {
    title: 'the helper’s watchdog dead, then the proxy killed',
    inject: 'systemctl stop amazon-efs-mount-watchdog; pkill -KILL -x efs-proxy',
    agentEndsIt: true,
    // The agent may have started the watchdog by the time that anybody asks the mount.
    mayPassUnnoticed: true,
  },
  'proxy-stopped-frozen-watchdog': {
    title: 'the helper’s watchdog frozen, then the proxy stopped',
    inject: 'systemctl kill -s STOP amazon-efs-mount-watchdog; pkill -STOP -x efs-proxy',
    agentEndsIt: true,
  },
  umount: {
    title: '`umount` by hand',
    inject: 'umount /home/sftp',
    refusedByKernel: { words: /busy/, note: 'the kernel refuses: target is busy' },
  },
  'umount-lazy': { title: '`umount -l` by hand', inject: 'umount -l /home/sftp' },
  'mounted-over': {
    title: 'another file system mounted over it',
    inject: 'mount -t tmpfs intruder /home/sftp',
  },
} as const satisfies Record<string, MountFault>;
