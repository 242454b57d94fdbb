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

/** One user for each browser: all its tabs own the runs that any of them asked for. */
export function clientId() {
  const stored = localStorage.getItem('clientId');
  if (stored) return stored;
  const made = `web-${newId()}`;
  localStorage.setItem('clientId', made);
  return made;
}
