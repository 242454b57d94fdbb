// A JavaScript agent: the official packages, unmodified, woken by the invocation POST; replies by script.
import http from 'node:http';
import * as Ably from 'ably';
import { Invocation } from '@ably/ai-transport';
import { createAgentSession } from '@ably/ai-transport/vercel';
import { say, serve } from '../lines.mjs';

let settings;
const [going, goOn] = signal();

function* text(id, words) {
  yield { type: 'text-start', id };
  for (const word of words) yield { type: 'text-delta', id, delta: word };
  yield { type: 'text-end', id };
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function* reply(run, messages, steered) {
  const last = messages.at(-1);
  const asked = messages.findLast(({ role }) => role === 'user')?.parts.find((part) => part.text)?.text ?? '';
  const waiting = last?.parts.find((part) => ['approval-responded', 'output-denied'].includes(part.state));
  const answered = last?.role === 'assistant' && last.parts.find((part) => part.state === 'output-available');
  yield { type: 'start', messageId: crypto.randomUUID() };
  if (waiting) {
    if (waiting.approval.approved) {
      yield { type: 'tool-output-available', toolCallId: waiting.toolCallId, output: { sent: true } };
    } // a refusal is a settled call already, as the SDK folds it
    yield { type: 'start-step' };
    yield* text('t1', [waiting.approval.approved ? 'sent' : 'not sent']);
  } else if (answered) {
    yield { type: 'start-step' };
    yield* text('t1', [`you picked ${JSON.stringify(answered.output)}`]);
  } else if (asked === 'reason') {
    yield { type: 'start-step' };
    yield { type: 'reasoning-start', id: 'r1' };
    yield { type: 'reasoning-delta', id: 'r1', delta: 'hmm ' };
    yield { type: 'reasoning-delta', id: 'r1', delta: 'yes' };
    yield { type: 'reasoning-end', id: 'r1' };
    yield* text('t1', ['be', 'cause']);
  } else if (asked === 'weather') {
    yield { type: 'start-step' };
    yield { type: 'tool-input-start', toolCallId: 'w1', toolName: 'weather' };
    yield { type: 'tool-input-delta', toolCallId: 'w1', inputTextDelta: '{"city":' };
    yield { type: 'tool-input-delta', toolCallId: 'w1', inputTextDelta: '"Paris"}' };
    yield { type: 'tool-input-available', toolCallId: 'w1', toolName: 'weather', input: { city: 'Paris' } };
    yield { type: 'tool-output-available', toolCallId: 'w1', output: { sky: 'clear' } };
    yield { type: 'finish-step' };
    yield { type: 'start-step' };
    yield* text('t1', ['clear', ' sky']);
  } else if (asked === 'email' || asked.startsWith('pick')) {
    const toolName = asked === 'email' ? 'send_email' : 'pick_colour';
    const toolCallId = `${asked.split(' ')[0]}-${run.runId.slice(0, 8)}`;
    yield { type: 'start-step' };
    yield { type: 'tool-input-start', toolCallId, toolName };
    yield { type: 'tool-input-delta', toolCallId, inputTextDelta: '{"to":"ada"}' };
    yield { type: 'tool-input-available', toolCallId, toolName, input: { to: 'ada' } };
    if (asked === 'email') yield { type: 'tool-approval-request', approvalId: `ap-${toolCallId}`, toolCallId };
  } else if (asked.startsWith('slow')) {
    yield { type: 'start-step' };
    yield { type: 'text-start', id: 't1' };
    for (let index = 0; index < 500; index += 1) {
      yield { type: 'text-delta', id: 't1', delta: `${asked}${index} ` };
      await wait(20);
    }
    yield { type: 'text-end', id: 't1' };
  } else if (asked.startsWith('tokens ')) {
    const [, count, delay] = asked.split(' ').map(Number);
    yield { type: 'start-step' };
    yield { type: 'text-start', id: 't1' };
    for (let index = 0; index < count; index += 1) {
      yield { type: 'text-delta', id: 't1', delta: `tok${index % 10} ` };
      await wait(delay);
    }
    yield { type: 'text-end', id: 't1' };
  } else if (asked === 'wait') {
    yield { type: 'start-step' };
    yield* text('t1', ['begun']);
    await steered;
  } else if (asked === 'error') {
    throw new Error('the model is out');
  } else {
    yield { type: 'start-step' };
    yield* text('t1', ['you said ', asked]);
  }
  yield { type: 'finish-step' };
  yield { type: 'finish', finishReason: 'stop' };
}

function signal() {
  let give;
  const given = new Promise((resolve) => (give = resolve));
  return [given, give];
}

async function work(body) {
  const realtime = new Ably.Realtime({
    ...settings.clientOptions,
    clientId: 'js-agent',
    authCallback: (_, callback) => callback(null, settings.token),
  });
  const session = createAgentSession({ client: realtime, channelName: body.sessionName });
  try {
    await session.connect();
    const [steered, onSteer] = signal();
    const run = session.createRun(Invocation.fromJSON(body), {}, { onSteer });
    while (run.view.hasOlder()) await run.view.loadOlder();
    await run.start();
    const open = new Set();
    const pass = () => {
      const messages = run.view.getMessages().map(({ message }) => message);
      if (messages.at(-1)?.parts.at(-1)?.text === 'retry') return retried(run);
      return run.pipe(watched(reply(run, messages, steered), open));
    };
    let result = await pass();
    while (result.reason === 'complete' && open.size === 0 && run.hasInput()) result = await pass();
    const asked = run.view.getMessages().findLast(({ message }) => message.role === 'user')?.message.parts[0].text;
    const waits = open.size > 0 && asked !== 'pick and end'; // as an agent that does not know how to suspend
    if (result.reason === 'complete' && waits) await run.suspend();
    else await run.end(result.reason === 'error' ? { reason: 'error', error: new Ably.ErrorInfo(String(result.error?.message), 104008, 500) } : { reason: result.reason });
    say({ event: 'run', reason: result.reason, suspended: result.reason === 'complete' && waits });
  } finally {
    await session.end();
    realtime.close();
  }
}

/** A step whose first attempt fails in mid-word; the second begins when the test says so. */
async function retried(run) {
  const attempts = [['plan', 'the plan: '], ['answer', 'half', true], ['answer', 'the whole']];
  for (const [stepId, words, fails] of attempts) {
    const step = run.createStep({ stepId: `${run.runId}-${stepId}` });
    await step.start();
    await step.pipe(attempt(words, fails));
    await step.end();
    if (fails) await going;
  }
  return { reason: 'complete' };
}

async function* attempt(words, fails) {
  yield { type: 'start', messageId: crypto.randomUUID() };
  yield { type: 'start-step' };
  yield { type: 'text-start', id: 't1' };
  yield { type: 'text-delta', id: 't1', delta: words };
  if (fails) throw new Error('the model is out');
  yield { type: 'text-end', id: 't1' };
  yield { type: 'finish-step' };
}

/** Notes which calls wait for a person or for the client. */
async function* watched(chunks, open) {
  for await (const chunk of chunks) {
    if (chunk.type === 'tool-input-available') open.add(chunk.toolCallId);
    if (chunk.type === 'tool-output-available' || chunk.type === 'tool-output-denied') open.delete(chunk.toolCallId);
    yield chunk;
  }
}

serve({
  goOn,
  async open(options) {
    settings = options;
    const server = http.createServer((request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => {
        response.end('{}');
        work(JSON.parse(text)).catch((error) => say({ event: 'agent-error', error: error.message, code: error.code }));
      });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${server.address().port}/invoke` };
  },
});
