import { useChat } from '@ai-sdk/react';
import { lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai';
import { useEffect, useRef } from 'react';
import { Composer } from './Composer.jsx';
import { Message } from './Message.jsx';

/** A chat over any transport. This is the only place that knows `useChat`. */
export function ChatView({ chatId, transport, initialMessages, resume, Sync, status, busyElsewhere, onStop }) {
  const chat = useChat({
    id: chatId,
    transport, // <- the one line that changes between Ably and HTTP
    messages: initialMessages,
    resume,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const { messages, setMessages, sendMessage, regenerate, stop, error, clearError, addToolApprovalResponse } = chat;
  const busy = chat.status === 'submitted' || chat.status === 'streaming' || Boolean(busyElsewhere);
  const lastReply = messages.findLast((message) => message.role === 'assistant');

  const halt = async () => {
    await onStop();
    if (chat.status === 'submitted' || chat.status === 'streaming') await stop();
  };

  return (
    <>
      {Sync && <Sync setMessages={setMessages} />}
      <StatusLine status={status} busy={busy} />
      <main>
        <Log follow={messages} busy={busy}>
          {messages.length === 0 && <Welcome onPick={(text) => sendMessage({ text })} />}
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              streaming={busy && message === lastReply && message === messages.at(-1)}
              onAnswer={(id, approved) =>
                addToolApprovalResponse({ id, approved, reason: approved ? undefined : 'The user said no.' })
              }
            />
          ))}
          {busy && messages.at(-1)?.role === 'user' && <p className="thinking">The agent is thinking…</p>}
        </Log>
        {error && (
          <div className="notice error" role="alert">
            <span>{error.message || 'Something went wrong.'}</span>
            <button type="button" onClick={clearError}>
              Dismiss
            </button>
          </div>
        )}
      </main>
      <Composer
        busy={busy}
        onSend={(text) => sendMessage({ text })}
        onStop={halt}
        onRegenerate={lastReply && !busy ? () => regenerate({ messageId: lastReply.id }) : undefined}
      />
    </>
  );
}

function StatusLine({ status, busy }) {
  const online = status.agent !== 'offline';
  return (
    <p className="status" role="status" data-agent={status.agent} data-connection={status.connection} data-busy={busy}>
      <span className={`dot ${online ? 'on' : 'off'}`} aria-hidden="true" />
      agent {status.agent} · {status.connection}
    </p>
  );
}

/** Follows the newest text unless the reader has scrolled up. */
function Log({ children, follow, busy }) {
  const box = useRef(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow]);
  return (
    <div
      ref={box}
      className="log"
      role="log"
      aria-live="polite"
      aria-busy={busy}
      aria-label="Conversation"
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {children}
    </div>
  );
}

const IDEAS = ['What can you do?', 'What is the weather in Paris?', 'Send an email to Ada about lunch', 'stream 200 words'];

function Welcome({ onPick }) {
  return (
    <section className="welcome">
      <p>Ask something, or try one of these:</p>
      <ul>
        {IDEAS.map((idea) => (
          <li key={idea}>
            <button type="button" onClick={() => onPick(idea)}>
              {idea}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
