import type { Login } from '../bed/clients.ts';
import { sleep } from '../bed/command.ts';
import { contentOf } from './random.ts';
import { besides, type Connect, inTurn, nameGoesFirst, overlap, sendAgain } from './shared-file.ts';
import type { Client, ServerSide, Step } from './step.ts';

/** What a program's SFTP library can do; every call rejects when the server refuses or the connection is gone. */
export interface Program {
  open(path: string, mode: 'w' | 'a' | 'r+'): Promise<OpenFile>;
  /** @returns how many bytes came */
  get(path: string): Promise<number>;
  /** OpenSSH's extension, which replaces. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  /** Is gone at once, as a program that is killed or a network that is lost. */
  breakOff(): Promise<void>;
  end(): Promise<void>;
}

export interface OpenFile {
  write(content: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** A client that is a program: it does one thing after another and has the server's word for each. */
export function programClient(connect: (login: Login) => Promise<Program>): Client {
  return async (login, steps, progress, server) => {
    const program = await connect(login);
    try {
      for (const [index, step] of steps.entries()) {
        progress.began(index);
        const sent = await carryOut(program, step, login.user, server, async () => await connect(login));
        progress.done(index, sent);
        if (step.kind === 'interrupt' || step.kind === 'vanish') return;
      }
    } finally {
      await program.end();
    }
  };
}

async function carryOut(
  program: Program,
  step: Step,
  user: string,
  server: ServerSide,
  connect: Connect,
): Promise<number | undefined> {
  switch (step.kind) {
    case 'put':
      await put(program, step, connect);
      return undefined;
    case 'append': {
      const file = await program.open(step.path, 'a');
      await file.write(contentOf(step.content), 0);
      await sleep(step.stallMs ?? 0);
      await file.close();
      return undefined;
    }
    case 'resume': {
      const at = (await server.sizeOf(user, step.path)) ?? 0;
      if (at === 0 || at >= step.content.size) {
        await put(program, { ...step, kind: 'put' }, connect);
        return step.content.size;
      }
      const file = await program.open(step.path, 'r+');
      await file.write(contentOf(step.content).subarray(at), at);
      await file.close();
      return step.content.size - at;
    }
    case 'interrupt':
    case 'vanish': {
      const half = contentOf(step.content).subarray(0, step.content.size / 2);
      const file = await program.open(step.path, 'w');
      await file.write(half, 0);
      await (step.kind === 'interrupt' ? program.breakOff() : server.killSessions(user));
      await server.sessionsGone(user);
      return half.length;
    }
    case 'overflow':
      await expectRefusal(step, () => put(program, { ...step, kind: 'put' }, connect));
      return undefined;
    case 'trespass':
      await expectRefusal(step, () => program.open(step.path, 'w'));
      return undefined;
    case 'remove-open':
    case 'rename-open':
      await nameGoesFirst(program, step);
      return undefined;
    case 'overlap':
      await overlap(program, step, connect);
      return undefined;
    case 'in-turn':
      await inTurn(program, step, connect);
      return undefined;
    case 'send-again':
      await sendAgain(program, step, connect);
      return undefined;
    case 'get':
      return await program.get(step.path);
    case 'remove':
      await program.remove(step.path);
      return undefined;
    case 'rename':
      await program.rename(step.from, step.to);
      return undefined;
    case 'mkdir':
      await program.mkdir(step.path);
      return undefined;
  }
}

async function put(program: Program, step: Extract<Step, { kind: 'put' }>, connect: Connect): Promise<void> {
  const content = contentOf(step.content);
  const middle = step.stallsAt === 'middle' ? Math.ceil(content.length / 2) : content.length;
  const file = await program.open(step.temporary ?? step.path, 'w');
  await file.write(content.subarray(0, middle), 0);
  await sleep(step.stallMs ?? 0);
  if (middle < content.length) await file.write(content.subarray(middle), middle);
  if (step.readsBack) {
    const read = await program.get(step.path);
    if (read !== content.length) throw new Error(`read ${read} of ${content.length} bytes that were written`);
  }
  await file.close();
  const { temporary, path } = step;
  if (temporary === undefined) return;
  await besides(step.renamedByOther ? connect : undefined, program, async (other) => {
    await other.rename(temporary, path);
  });
}

/** A connection that is gone is no refusal: the session has broken, and its steps are in doubt. */
async function expectRefusal(step: Step, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof Error && /^(Failure|Permission denied|\[Errno)/.test(error.message)) return;
    throw error;
  }
  throw new Error(`${step.kind} was not refused`);
}
