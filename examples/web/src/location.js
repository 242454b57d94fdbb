// The address bar holds the chat and the wire: ?chat=ID&wire=ably|http

export function newId() {
  return crypto.randomUUID().slice(0, 8);
}

export function readLocation(config) {
  const query = new URLSearchParams(window.location.search);
  const asked = query.get('wire');
  const wire = asked === 'http' || !config.ably ? 'http' : 'ably';
  return { chatId: query.get('chat') || newId(), wire };
}

export function writeLocation({ chatId, wire }) {
  const query = new URLSearchParams({ chat: chatId, wire });
  const url = `${window.location.pathname}?${query}`;
  if (url !== window.location.pathname + window.location.search) window.history.replaceState(null, '', url);
}

/** Each browser tab is a client of its own; the id outlives a reload. */
export function clientId() {
  const stored = sessionStorage.getItem('clientId');
  if (stored) return stored;
  const made = `web-${newId()}`;
  sessionStorage.setItem('clientId', made);
  return made;
}
