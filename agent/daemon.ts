import { setTimeout as sleep } from 'node:timers/promises';
import { createSecretsSource } from './accounts/secrets.ts';
import { createAccountSync } from './accounts/sync.ts';
import { statusOf } from './agent-status.ts';
import { restoreCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { serveControl } from './commands/control-server.ts';
import { CONFIG_PATH, type Config, ConfigError, EXIT_CONFIG } from './config.ts';
import { readConfig, watchConfig } from './config-watch.ts';
import { gauges } from './gauges.ts';
import { createHostKeysSecret } from './host/host-keys-secret.ts';
import { createHostKeysWatch } from './host/host-keys-watch.ts';
import { probeLogin } from './host/log-probe.ts';
import { createLogWatch } from './host/log-watch.ts';
import { createPartnerSshd } from './host/partner-sshd.ts';
import { HOST_PATHS } from './host/paths.ts';
import { endSessions } from './host/sessions.ts';
import { createLog, type Log } from './log.ts';
import type { Loop } from './loop.ts';
import { createLoopSet } from './loop-set.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createCloudWatchSink } from './metrics/publish.ts';
import { orderMaintenance } from './mount/maintenance.ts';
import { createMountWatch, type MountExpectation, REAL_MOUNT } from './mount/watch.ts';
import { OperationError } from './operation-error.ts';
import type { Edges } from './os/edges.ts';
import { type Argv, exec } from './os/exec.ts';
import { follow } from './os/follow.ts';
import { createNotifier } from './os/notify.ts';
import { serialized } from './os/serialized.ts';
import { CONTROL_PATH } from './status.ts';
import { createStatusWriter } from './status-writer.ts';
import { createUploadFeed } from './uploads/feed.ts';
import { VERSION } from './version.ts';

const CHECKPOINT_PATH = '/var/lib/s3files-sftp/checkpoint.json';

/** A slow AWS call is cut by its own client well before; past this a loop is stuck and systemd restarts the agent. */
const SYNC_DEADLINE_MS = 10 * 60_000;
const TICK_DEADLINE_MS = 20_000;
const PUBLISH_DEADLINE_MS = 60_000;
/** Two logins, each with its patience, and what is arranged between them. */
const LOG_PROBE_DEADLINE_MS = 90_000;
const LOG_WATCH_MS = 2_000;
/** Whoever asks for the status sees it at most this old. */
const STATUS_MS = 1_000;
/** A third of WatchdogSec in the unit file, so that one lost ping is no restart. */
const WATCHDOG_MS = 10_000;
/** At the end: for what is under way to end by itself, then for the last metrics. Five seconds in all. */
const SETTLE_MS = 1_500;
const DRAIN_MS = 2_500;

/**
 * Runs the agent until SIGTERM or SIGINT.
 * @returns the exit status: 0, or 78 for a configuration that a person must mend
 */
export async function runDaemon(): Promise<number> {
  const log = createLog('info');
  let config: Config;
  try {
    config = await readConfig(CONFIG_PATH);
    requireRegion(config);
  } catch (err) {
    const hint = err instanceof OperationError ? err.hint : undefined;
    log.fatal({ err, hint }, err instanceof Error ? err.message : 'the configuration could not be read');
    return EXIT_CONFIG;
  }
  const stop = new AbortController();
  // The second signal ends the drain: whoever sends it does not want to wait.
  const onSignal = () => (stop.signal.aborted ? process.kill(process.pid, 'SIGKILL') : stop.abort());
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  await runAgent(config, log, stop.signal);
  return 0;
}

/** Builds the edges and the rooms, starts the loops, and drains when the signal is aborted. */
async function runAgent(initial: Config, log: Log, signal: AbortSignal): Promise<void> {
  log.level = initial.log_level;
  const startedAt = Date.now();
  const edges: Edges = {
    exec,
    follow,
    now: Date.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    log,
    signal,
  };
  const selfArgv: Argv = [process.execPath, process.argv[1] ?? ''];
  const notifier = createNotifier(exec, process.env);
  const restored = await restoreCheckpoint(CHECKPOINT_PATH, log);

  const configWatch = watchConfig(CONFIG_PATH, initial, () => onConfig(), log);
  const config = configWatch.current;

  const metrics = createMetrics(restored.metrics, config, createCloudWatchSink(config), edges);
  let uploadState = restored.uploads.state;
  const persist = serialized(() =>
    saveCheckpoint(CHECKPOINT_PATH, { version: 1, uploads: uploadState, metrics: metrics.snapshot() }),
  );

  let syncLoop: Loop | undefined;
  let mountLoop: Loop | undefined;
  const sshd = createPartnerSshd(config, edges, HOST_PATHS, () =>
    uploads.noteGap('sessions could not log for a moment: their log socket was replaced'),
  );
  const hostKeys = createHostKeysWatch(
    config,
    createHostKeysSecret(initial.aws.region),
    sshd.hostKeysChanged,
    HOST_PATHS,
    edges,
  );
  const mount = createMountWatch(
    config,
    {
      prepareMount: sshd.prepareMount,
      startServing: async (proof) => {
        await sshd.start(proof);
        // Newcomers waited for the mount.
        syncLoop?.wake();
      },
      stopServing: sshd.stop,
      sshdActive: sshd.active,
      recovered: (value) => metrics.record({ name: 'MountRecoverySeconds', value, at: edges.now() }),
    },
    { ...edges, expectation: expectedMount(), writeProbe: [...selfArgv, 'mount-probe'] },
  );

  const accounts = createAccountSync(
    config,
    {
      mountServing: mount.serving,
      endSessions: (endings) => endSessions(endings, edges),
      chrootsChanged: sshd.setChroots,
    },
    {
      ...edges,
      secrets: createSecretsSource({ region: initial.aws.region }, edges),
      selfArgv,
    },
  );

  const logWatch = createLogWatch(
    {
      sshdPid: () => (mount.serving() && sshd.active() ? sshd.mainPid() : undefined),
      login: () => probeLogin(config(), HOST_PATHS.runtime, [...selfArgv, 'log-probe'], edges),
      heardMs: () => uploads.probeHeardMs(),
      hasRead: (moment) => uploads.hasRead(moment),
      arrange: sshd.arrangeLogs,
    },
    { ...edges, sleep },
  );

  const uploads = createUploadFeed(
    config,
    { loaded: restored.uploads, witnessArgv: ['setsid', '--', ...selfArgv, 'witness'] },
    {
      commit: async (state, { counts, lines }) => {
        uploadState = state;
        for (const count of counts) metrics.record(count);
        await persist();
        for (const { level, fields, message } of lines) log[level](fields, message);
      },
      failed: mount.writeFailed,
      log: { ...logWatch, state: () => logWatch.report().state },
    },
    edges,
  );

  const loops = createLoopSet(edges, {
    uploads: () => edges.monotonicMs() - uploads.lastProgressMs() < TICK_DEADLINE_MS,
  });
  const { start, alive } = loops;

  const status = () =>
    statusOf(
      {
        mount: mount.report(),
        accounts: accounts.report(),
        uploads: uploads.report(),
        sessionLog: logWatch.report(),
        metrics: metrics.report(),
        loops: alive(),
        sshdActive: sshd.active(),
        configProblem: configWatch.problem(),
        needsRestart: configWatch.needsRestart(),
        startedAt,
        at: edges.now(),
      },
      config().users.poll_seconds * 1000,
    );
  const writeStatus = createStatusWriter(notifier, log);

  // Before the loops run: while the socket is made, the umask is the whole process's.
  await serveControl(
    CONTROL_PATH,
    {
      status,
      plan: () => accounts.plan(signal),
      sync: async ({ approve }) => {
        if (approve !== undefined) accounts.approve(String(approve));
        return (await syncLoop?.run(accounts.report)) ?? accounts.report();
      },
      maintenance: ({ on }) =>
        orderMaintenance(
          on === true,
          { ...mount, tickNow: async () => await mountLoop?.run(mount.report) },
          { ...edges, sleep },
        ),
    },
    signal,
  );

  mountLoop = start({
    name: 'mount',
    periodMs: mount.restMs,
    maxBackoffMs: 5_000,
    deadlineMs: TICK_DEADLINE_MS,
    tick: mount.tick,
  });
  syncLoop = start({
    name: 'accounts',
    periodMs: () => config().users.poll_seconds * 1000,
    // A revoked key ends its sessions within this time, however long ten thousand users take.
    fromStart: true,
    // Where only a part fails, a key that is revoked in the rest must not wait.
    maxBackoffMs: () => (accounts.isBlind() ? 5 * 60_000 : 0),
    deadlineMs: SYNC_DEADLINE_MS,
    tick: async (tickSignal) => {
      await accounts.poll(tickSignal);
      if (accounts.moreDue()) syncLoop?.wake();
    },
  });
  start({
    name: 'host keys',
    periodMs: hostKeys.restMs,
    maxBackoffMs: 60_000,
    deadlineMs: SYNC_DEADLINE_MS,
    tick: hostKeys.tick,
  });
  start({
    name: 'metrics',
    periodMs: () => config().metrics.publish_seconds * 1000,
    maxBackoffMs: 5 * 60_000,
    deadlineMs: PUBLISH_DEADLINE_MS,
    tick: (tickSignal) => metrics.publish(tickSignal, { persist }),
  });
  start({
    name: 'status',
    periodMs: () => STATUS_MS,
    maxBackoffMs: STATUS_MS,
    deadlineMs: TICK_DEADLINE_MS,
    tick: async () => {
      await sshd.refresh();
      if (accounts.expiryDue()) syncLoop?.wake();
      const seen = status();
      for (const update of gauges(seen)) metrics.record(update);
      await writeStatus(seen);
    },
  });
  start({
    name: 'session log',
    periodMs: () => LOG_WATCH_MS,
    maxBackoffMs: LOG_WATCH_MS,
    deadlineMs: LOG_PROBE_DEADLINE_MS,
    tick: logWatch.tick,
  });
  start({
    name: 'watchdog',
    periodMs: () => WATCHDOG_MS,
    maxBackoffMs: WATCHDOG_MS,
    deadlineMs: TICK_DEADLINE_MS,
    tick: async () => {
      const stuck = alive().filter((loop) => !loop.alive);
      if (stuck.length === 0) await notifier.watchdog();
      else log.error({ loops: stuck.map(({ name }) => name) }, 'a loop is stuck: the watchdog is not fed');
    },
  });

  function onConfig(): void {
    log.level = config().log_level;
    sshd.configChanged();
    loops.wake();
  }

  const feed = uploads.run(signal);
  await notifier.ready(`started; ${alive().length} loops`);
  log.info({ version: VERSION, readySeconds: process.uptime() }, 'ready');

  // Told to stop while it started, it has been aborted already.
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
  log.info('stopping: what is under way is saved');
  await notifier.stopping();
  const settled = Promise.all([feed, configWatch.close(), loops.ended()]).then(() => true);
  if (!(await Promise.race([settled, sleep(SETTLE_MS, false, { ref: false })]))) {
    log.warn('something is still under way, as on a mount that hangs; it is abandoned');
  }
  await metrics.drain(DRAIN_MS, { persist });
  await persist();
  await writeStatus({ ...status(), state: 'stopped', reasons: ['the agent was stopped'] });
  log.info('stopped');
}

/** The SDK for JavaScript does not ask the instance for its region. */
function requireRegion(config: Config): void {
  const region = config.aws.region ?? process.env.AWS_REGION;
  if (region !== undefined && region !== '') return;
  throw new ConfigError(CONFIG_PATH, [{ key: 'aws.region', fault: 'is missing, and AWS_REGION is not set' }]);
}

/** What mountinfo shows for S3 Files; a test host that can only mount FUSE says so in the unit's environment. */
function expectedMount(): MountExpectation {
  const fsType = process.env.S3FILES_SFTP_EXPECTED_FSTYPE;
  return fsType === undefined || fsType === '' ? REAL_MOUNT : { fsType };
}
