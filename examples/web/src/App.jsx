import { useCallback, useEffect, useState } from 'react';
import { AblyChat } from './AblyChat.jsx';
import { HttpChat } from './HttpChat.jsx';
import { newId, readLocation, writeLocation } from './location.js';

/** The frame: which chat, over which wire. Both live in the address, so a reload or a second tab finds them. */
export function App({ config }) {
  const [place, setPlace] = useState(() => readLocation(config));

  useEffect(() => {
    writeLocation(place);
    const onPop = () => setPlace(readLocation(config));
    window.addEventListener('popstate', onPop);
    return () => window.removeEventListener('popstate', onPop);
  }, [place, config]);

  const setWire = useCallback((wire) => setPlace((old) => ({ ...old, wire })), []);
  const newChat = useCallback(() => setPlace((old) => ({ ...old, chatId: newId() })), []);

  const Chat = place.wire === 'ably' ? AblyChat : HttpChat;
  return (
    <div className="app">
      <header>
        <h1>chat-transport</h1>
        <fieldset className="wires">
          <legend className="visually-hidden">Transport</legend>
          {['ably', 'http'].map((wire) => (
            <label key={wire} className={place.wire === wire ? 'chosen' : ''}>
              <input
                type="radio"
                name="wire"
                value={wire}
                checked={place.wire === wire}
                disabled={wire === 'ably' && !config.ably}
                onChange={() => setWire(wire)}
              />
              {wire === 'ably' ? 'Ably' : 'HTTP'}
            </label>
          ))}
        </fieldset>
        <button type="button" onClick={newChat}>
          New chat
        </button>
      </header>
      <Chat key={`${place.wire}:${place.chatId}`} chatId={place.chatId} config={config} />
    </div>
  );
}
