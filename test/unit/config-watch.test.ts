import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Config } from '../../agent/config.ts';
import { type ConfigWatch, readConfig, watchConfig } from '../../agent/config-watch.ts';
import { createLog } from '../../agent/log.ts';

const text = (poll: number | string, fs = 'fs-0123456789abcdef0') =>
  `[users]\npoll_seconds = ${poll}\n[mount]\nfile_system_id = "${fs}"\n[uploads]\nbucket = "acme"\n`;

let directory: string;
let path: string;
let watch: ConfigWatch;
let changes: Config[];
let lines: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'config-'));
  path = join(directory, 'config.toml');
  await writeFile(path, text(60));
  changes = [];
  lines = [];
  const log = createLog('info', { write: (line) => lines.push(line) });
  watch = watchConfig(path, await readConfig(path), (config) => changes.push(config), log);
  // chokidar's own ready event is inside; a change before it would be taken for the initial content.
  await new Promise((resolve) => setTimeout(resolve, 200));
});
afterEach(async () => {
  await watch.close();
  await rm(directory, { recursive: true });
});

describe('watchConfig', () => {
  it('takes a change over, also when the file is replaced as editors do', async () => {
    await writeFile(join(directory, '.config.toml.swp'), text(30));
    await rename(join(directory, '.config.toml.swp'), path);
    await vi.waitFor(() => expect(watch.current().users.poll_seconds).toBe(30), 5000);
    expect(changes).toHaveLength(1);
  });

  it('keeps the configuration in force when the file turns bad, and recovers when it is mended', async () => {
    await writeFile(path, text('"often"'));
    await vi.waitFor(() => expect(watch.problem()).toMatch(/users\.poll_seconds \("often"\)/), 5000);
    expect(watch.current().users.poll_seconds).toBe(60);
    expect(changes).toHaveLength(0);
    expect(lines.filter((line) => line.includes('is refused'))).toHaveLength(1);
    await writeFile(path, text(45));
    await vi.waitFor(() => expect(watch.current().users.poll_seconds).toBe(45), 5000);
    expect(watch.problem()).toBeNull();
  });

  it('keeps it when the file is removed', async () => {
    await rm(path);
    await vi.waitFor(() => expect(watch.problem()).toMatch(/ENOENT/), 5000);
    expect(watch.current().users.poll_seconds).toBe(60);
  });

  it('tells which changes wait for a restart, and does not half apply them', async () => {
    await writeFile(path, text(20, 'fs-ffffffffffffffff0'));
    await vi.waitFor(() => expect(watch.needsRestart()).toEqual(['mount']), 5000);
    expect(watch.current().mount.file_system_id).toBe('fs-0123456789abcdef0');
    expect(watch.current().users.poll_seconds).toBe(20);
  });
});
