// A peer that a test drives: one JSON object per line in, one answer per line out.
import readline from 'node:readline';

export function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Answers `{id, op, ...args}` with `{id, ok}` or `{id, error}`; operations may overlap. */
export function serve(operations) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, op, ...args } = JSON.parse(line);
    try {
      say({ id, ok: (await operations[op](args)) ?? null });
    } catch (error) {
      say({ id, error: String(error?.message ?? error), code: error?.code });
    }
  });
  lines.on('close', () => process.exit(0));
  process.on('unhandledRejection', (reason) => {
    say({ event: 'unhandled', error: String(reason?.message ?? reason) });
  });
  say({ event: 'ready' });
}

/** Resolves once `test()` is true, looking again whenever `subscribe` calls back. */
export function until(test, subscribe, what, timeoutMs = 15000) {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`waited ${timeoutMs} ms for ${what}`));
    }, timeoutMs);
    const look = () => {
      if (!test()) return;
      clearTimeout(timer);
      stop();
      resolve();
    };
    stop = subscribe(look) ?? stop;
    look();
  });
}
