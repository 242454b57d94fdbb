// A chat page with the AI SDK's own useChat and its default transport; the same for 5, 6 and 7.
// The address says what is special: ?chat=id, &ai=5 (tells the server the version), &token=word.
import React, { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useChat } from '@ai-sdk/react';
import * as ai from 'ai';

const asked = new URLSearchParams(location.search);
const id = asked.get('chat');
const headers = {};
if (asked.has('ai')) headers['x-ai-sdk-version'] = asked.get('ai');
if (asked.has('token')) headers.authorization = `Bearer ${asked.get('token')}`;
const place = `/api/chat/${encodeURIComponent(id)}`;

// v5 knows no approvals, and so no predicate for them.
const goesOnAfter = [
  'lastAssistantMessageIsCompleteWithToolCalls',
  'lastAssistantMessageIsCompleteWithApprovalResponses',
].map(name => ai[name]).filter(Boolean);

window.seen = { statuses: [], data: [], finishes: [], errors: [] };

function Part({ part, chat }) {
  if (part.type === 'text' || part.type === 'reasoning') {
    return <p className={part.type} data-state={part.state}>{part.text}</p>;
  }
  if (part.type === 'source-url') return <a href={part.url}>{part.title}</a>;
  if (part.type === 'file') return <img alt={part.filename ?? 'file'} src={part.url} />;
  if (part.type.startsWith('data-')) return <code className={part.type}>{JSON.stringify(part.data)}</code>;
  if (!('toolCallId' in part)) return null;
  const answer = approved => chat.addToolApprovalResponse({ id: part.approval.id, approved });
  return (
    <section data-tool={part.toolName ?? part.type.slice('tool-'.length)} data-state={part.state}>
      <code className="input">{JSON.stringify(part.input)}</code>
      {'output' in part && <code className="output">{JSON.stringify(part.output)}</code>}
      {part.errorText && <em>{part.errorText}</em>}
      {part.state === 'approval-requested' && <>
        <button onClick={() => answer(true)}>Approve</button>
        <button onClick={() => answer(false)}>Deny</button>
      </>}
    </section>
  );
}

function Page({ messages }) {
  const [words, setWords] = useState('');
  const chat = useChat({
    id,
    messages,
    resume: true,
    transport: new ai.DefaultChatTransport({ headers }),
    sendAutomaticallyWhen: state => goesOnAfter.some(complete => complete(state)),
    onToolCall: ({ toolCall }) => {
      if (toolCall.toolName !== 'locate') return;
      const add = chat.addToolOutput ?? chat.addToolResult;
      add({ tool: 'locate', toolCallId: toolCall.toolCallId, output: 'Praha' }); // not awaited: deadlock, say their docs
    },
    onData: part => window.seen.data.push(part),
    onFinish: end => window.seen.finishes.push({ isAbort: end.isAbort, isError: end.isError, isDisconnect: end.isDisconnect }),
    onError: error => window.seen.errors.push(error.message),
  });
  if (window.seen.statuses.at(-1) !== chat.status) window.seen.statuses.push(chat.status);
  return (
    <main data-status={chat.status}>
      {chat.messages.map(message => (
        <article key={message.id} data-role={message.role} data-id={message.id}>
          {message.parts.map((part, n) => <Part key={n} part={part} chat={chat} />)}
        </article>
      ))}
      {chat.error && <p role="alert">{chat.error.message}</p>}
      <form onSubmit={event => { event.preventDefault(); chat.sendMessage({ text: words }); setWords(''); }}>
        <input aria-label="Message" value={words} onChange={event => setWords(event.target.value)} />
        <button>Send</button>
      </form>
      <button onClick={() => fetch(`${place}/stop`, { method: 'POST', headers })}>Stop</button>
      <button onClick={() => chat.stop()}>Leave</button>
      <button onClick={() => chat.regenerate()}>Regenerate</button>
    </main>
  );
}

const history = await fetch(place, { headers });
const messages = history.ok ? (await history.json()).messages : [];
createRoot(document.getElementById('root')).render(<Page messages={messages} />);
