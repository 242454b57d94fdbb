import { DefaultChatTransport } from 'ai';
import { useEffect, useMemo, useState } from 'react';
import { ChatView } from './ChatView.jsx';

/** The same chat over HTTP and SSE: another transport object, everything else alike. */
export function HttpChat({ chatId }) {
  const transport = useMemo(() => new DefaultChatTransport({ api: 'api/chat' }), []);
  const [past, setPast] = useState(null);
  const [failure, setFailure] = useState(null);

  useEffect(() => {
    const leaving = new AbortController();
    fetch(`api/chat/${encodeURIComponent(chatId)}`, { signal: leaving.signal })
      .then(async (response) => {
        if (!response.ok) throw new Error((await response.text()) || response.statusText);
        setPast((await response.json()).messages);
      })
      .catch((error) => {
        if (!leaving.signal.aborted) setFailure(error);
      });
    return () => leaving.abort();
  }, [chatId]);

  if (failure) return <p className="notice error" role="alert">History could not be loaded: {failure.message}</p>;
  if (!past) return <p className="notice" role="status">Loading…</p>;
  return (
    <ChatView
      chatId={chatId}
      transport={transport}
      initialMessages={past}
      resume
      status={{ connection: 'connected', agent: 'online' }}
      onStop={() => fetch(`api/chat/${encodeURIComponent(chatId)}/stop`, { method: 'POST' })}
    />
  );
}
