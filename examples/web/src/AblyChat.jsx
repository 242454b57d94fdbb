import * as Ably from 'ably';
import { AblyProvider } from 'ably/react';
import { ChatTransportProvider, useChatTransport, useMessageSync } from '@ably/ai-transport/vercel/react';
import { useEffect, useState } from 'react';
import { ChatView } from './ChatView.jsx';
import { clientId } from './location.js';

/** The chat over Ably: the official SDK and transport, unmodified, pointed at the server's broker. */
export function AblyChat({ chatId, config }) {
  const [client, setClient] = useState(null);
  const channelName = config.ably.channelPrefix + chatId;

  useEffect(() => {
    const id = clientId();
    const realtime = new Ably.Realtime({
      ...config.ably.clientOptions,
      clientId: id,
      authUrl: `api/auth/token?clientId=${encodeURIComponent(id)}`,
    });
    setClient(realtime);
    return () => realtime.close();
  }, [config]);

  if (!client) return <p className="notice" role="status">Connecting…</p>;
  return (
    <AblyProvider client={client}>
      <ChatTransportProvider channelName={channelName} api="api/invoke">
        <Session chatId={chatId} client={client} channelName={channelName} />
      </ChatTransportProvider>
    </AblyProvider>
  );
}

function Session({ chatId, client, channelName }) {
  const { chatTransport, session } = useChatTransport();
  const connection = useConnectionState(client);
  const agent = useAgentStatus(session, connection);
  const activeRun = useActiveRun(session);
  useAgentCalled(agent, channelName);
  useHistory(session);

  return (
    <ChatView
      chatId={chatId}
      transport={chatTransport}
      Sync={AblySync}
      status={{ connection, agent }}
      busyElsewhere={activeRun !== undefined}
      onStop={async () => {
        if (activeRun) await session.cancel(activeRun);
      }}
    />
  );
}

/** What this tab did not ask for itself arrives over the session. */
function AblySync({ setMessages }) {
  useMessageSync({ setMessages });
  useGrowingMessages(setMessages);
  return null;
}

/**
 * `useMessageSync` of @ably/ai-transport 0.8.0 compares messages by identity, but the SDK lets them grow in place: a
 * reply that another tab asked for would be shown without its text. Showing the same messages again is enough.
 */
function useGrowingMessages(setMessages) {
  const { session, chatTransport } = useChatTransport();
  useEffect(
    () =>
      session.view.on('update', () => {
        if (!chatTransport.streaming) setMessages((shown) => [...shown]);
      }),
    [session, chatTransport, setMessages],
  );
}

function useConnectionState(client) {
  const [state, setState] = useState(client.connection.state);
  useEffect(() => {
    const onChange = (change) => setState(change.current);
    client.connection.on(onChange);
    setState(client.connection.state);
    return () => client.connection.off(onChange);
  }, [client]);
  return state;
}

/** The agent comes to the channel before the first prompt; one that was restarted ends what it left. */
function useAgentCalled(agent, channelName) {
  const away = agent === 'offline';
  useEffect(() => {
    if (!away) return undefined;
    const call = () =>
      fetch(`api/session?sessionName=${encodeURIComponent(channelName)}`, { method: 'POST' }).catch(() => {});
    call();
    const again = setInterval(call, 5000);
    return () => clearInterval(again);
  }, [away, channelName]);
}

function useActiveRun(session) {
  const [active, setActive] = useState(undefined);
  useEffect(() => {
    const look = () => setActive(session.view.runs().find((run) => run.status === 'active')?.runId);
    look();
    const offs = [session.view.on('update', look), session.view.on('run', look)];
    return () => offs.forEach((off) => off());
  }, [session]);
  return active;
}

/** Older messages are loaded only when somebody asks: here, at the start. */
function useHistory(session) {
  useEffect(() => {
    let left = false;
    (async () => {
      await session.connect();
      for (let pages = 0; pages < 10 && !left && session.view.hasOlder(); pages += 1) await session.view.loadOlder(20);
    })().catch((error) => console.warn('history could not be loaded', error));
    return () => {
      left = true;
    };
  }, [session]);
}

function useAgentStatus(session, connection) {
  const [agent, setAgent] = useState('offline');
  useEffect(() => {
    if (connection !== 'connected') return undefined;
    let left = false;
    const members = new Map();
    const show = () => {
      const states = [...members.values()];
      setAgent(states.includes('streaming') ? 'streaming' : (states[0] ?? 'offline'));
    };
    const learn = (member) => {
      const key = `${member.connectionId}:${member.clientId}`;
      const state = typeof member.data === 'string' ? member.data : member.data?.status;
      if (member.action === 'leave' || member.action === 'absent') members.delete(key);
      else if (state) members.set(key, state);
      if (!left) show();
    };
    session.presence
      .subscribe(learn)
      .then(() => session.presence.get())
      .then((present) => present.forEach(learn))
      .catch((error) => console.warn('presence is not available', error));
    return () => {
      left = true;
      session.presence.unsubscribe(learn);
    };
  }, [session, connection]);
  return agent;
}
