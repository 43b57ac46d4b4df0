import { expect, it } from 'vitest';
import { guardedArgv, transientArgv } from '../../../agent/os/transient.ts';

/** What follows the last `--` of systemd-run's own. */
const commandOf = (argv: readonly string[]) => argv.slice(argv.indexOf('--') + 1);

// `echo 'a$$b ${PATH} $${PATH} $x' '$$y'` by systemd-run of systemd 252 prints: a$b /usr/local/sbin:… ${PATH} $x $y
it('has nothing that a partner names taken for a variable', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the very text
  const path = '/home/sftp/acme/upload/${PATH} $HOME $$';
  const escaped = '/home/sftp/acme/upload/$${PATH} $$HOME $$$$';
  expect(commandOf(transientArgv(['stat', '--', path], 3))).toEqual(['stat', '--', escaped]);
  expect(commandOf(guardedArgv('/home/sftp', ['stat', '--', path], 3))).toEqual([
    ...['/usr/lib/s3files-sftp/mount-namespace', '/home/sftp', '--'],
    ...['stat', '--', escaped],
  ]);
});
