"use strict";
// Addresses of views: `#/VIEW/ID?key=value`.

(() => {
  /** What the address says: the view ("" is the board), what stands behind it, and the settings. */
  function read() {
    const [path, query] = split(location.hash.replace(/^#\/?/, ""));
    const [view, id] = path.split("/", 2);
    return { view, id: id === undefined ? null : decoded(id), settings: new URLSearchParams(query) };
  }

  function split(hash) {
    const at = hash.indexOf("?");
    return at < 0 ? [hash, ""] : [hash.slice(0, at), hash.slice(at + 1)];
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** The address of a view; settings that are empty are left out. */
  function address(view, settings = {}, id = null) {
    const set = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const query = new URLSearchParams(set).toString();
    return `#/${view}${id === null ? "" : `/${encodeURIComponent(id)}`}${query ? `?${query}` : ""}`;
  }

  let waiting = null;

  /** Writes the address of the view that stands, without a step in the history; browsers allow few a second. */
  function note(view, settings, id = null) {
    const before = location.hash;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      // Another view may have come in the meantime.
      if (location.hash === before) history.replaceState(null, "", address(view, settings, id));
    }, 120);
  }

  Object.assign(openbook, { route: { read, address, note } });
})();
