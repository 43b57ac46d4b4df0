import { parseArgs } from 'node:util';
import { terminal } from './commands/output.ts';
import { USAGE } from './commands/usage.ts';
import { messageOf, OperationError } from './operation-error.ts';
import { VERSION } from './version.ts';

/** Usage errors, by sysexits.h. */
const EX_USAGE = 64;

/** Runs one command to its exit status. Each is loaded only where it is asked for: a probe of the mount has no time. */
async function run(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'daemon': {
      const { runDaemon } = await import('./daemon.ts');
      // A child that hangs on the mount would keep the process for as long; its work is saved.
      return process.exit(await runDaemon());
    }
    case 'log-probe':
    case 'mount-directories':
    case 'mount-probe':
    case 'witness': {
      const { runChild } = await import('./children.ts');
      return await runChild(command, rest);
    }
    case 'status': {
      const { values } = options(rest, {
        wait: { type: 'string' },
        timeout: { type: 'string', default: '60' },
      });
      if (values.wait !== undefined && values.wait !== 'healthy')
        throw new UsageError('--wait takes: healthy');
      const timeoutSeconds = Number(values.timeout);
      if (!(timeoutSeconds >= 0)) throw new UsageError('--timeout takes a number of seconds');
      const { status } = await import('./commands/status.ts');
      return await status(
        { json: values.json, timeoutSeconds, ...(values.wait && { wait: values.wait }) },
        terminal,
      );
    }
    case 'doctor': {
      const { doctor } = await import('./commands/doctor.ts');
      return await doctor(options(rest, {}).values, terminal);
    }
    case 'plan': {
      const { plan } = await import('./commands/plan.ts');
      return await plan(options(rest, {}).values, terminal);
    }
    case 'sync': {
      const { values } = options(rest, { approve: { type: 'string' } });
      const { sync } = await import('./commands/sync.ts');
      return await sync(
        { json: values.json, ...(values.approve !== undefined && { approve: values.approve }) },
        terminal,
      );
    }
    case 'maintenance': {
      const { values, positionals } = options(rest, {});
      const [state] = positionals;
      if (state !== 'on' && state !== 'off') throw new UsageError('maintenance takes: on or off');
      const { maintenance } = await import('./commands/maintenance.ts');
      return await maintenance({ on: state === 'on', json: values.json }, terminal);
    }
    case 'config': {
      const { values, positionals } = options(rest, {});
      const [verb, path] = positionals;
      if (verb !== 'check') throw new UsageError('config takes: check [FILE]');
      const { configCheck } = await import('./commands/config-check.ts');
      return await configCheck({ json: values.json, ...(path !== undefined && { path }) }, terminal);
    }
    case 'version':
    case '--version':
      terminal.print(VERSION);
      return 0;
    case 'help':
    case '--help':
    case '-h':
      terminal.print(USAGE);
      return 0;
    default:
      throw new UsageError(command === undefined ? 'a command is missing' : `"${command}" is no command`);
  }
}

class UsageError extends Error {}

type OptionTable = Record<string, { type: 'string'; default?: string }>;

/** Every command takes --json; each adds its own. */
function options<T extends OptionTable>(args: readonly string[], table: T) {
  try {
    return parseArgs({
      args: [...args],
      options: { ...table, json: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
  } catch (cause) {
    throw new UsageError(messageOf(cause));
  }
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (cause) {
  if (cause instanceof UsageError) {
    terminal.error(`s3files-sftp: ${cause.message}\n\n${USAGE}`);
    process.exitCode = EX_USAGE;
  } else {
    terminal.error(`s3files-sftp: ${messageOf(cause)}`);
    if (cause instanceof OperationError && cause.hint !== undefined) terminal.error(`hint: ${cause.hint}`);
    process.exitCode = 1;
  }
}
