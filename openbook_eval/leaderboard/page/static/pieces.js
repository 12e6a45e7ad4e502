"use strict";
// The page's one global. Data comes as scripts, each of which hands over its piece: opened from disk, a page may load
// scripts but no JSON.

const openbook = (() => {
  const pieces = new Map();
  const loading = new Map();
  const NAME = /^data\/(board|(items|marks|questions|answers)(-\d+)+|book-[0-9a-f]+)\.js$/;

  function checked(address) {
    if (!NAME.test(address)) throw new TypeError(`${address} is no piece of this page`);
    return address;
  }
  // Where the browser knows trusted types, it refuses all markup from strings and every script but these.
  const policy = window.trustedTypes ? trustedTypes.createPolicy("openbook", { createScriptURL: checked }) : null;

  /** Called by each script of data. */
  function piece(name, value) {
    pieces.set(name, value);
  }

  /** The piece of that name, if it was loaded. */
  function loaded(name) {
    return pieces.get(name);
  }

  /** A promise of the piece; each is loaded once. Rejects with an Error that names the file. */
  function load(name) {
    if (pieces.has(name)) return Promise.resolve(pieces.get(name));
    if (!loading.has(name))
      loading.set(
        name,
        request(name).finally(() => loading.delete(name)),
      );
    return loading.get(name);
  }

  function request(name) {
    return new Promise((resolve, reject) => {
      const address = checked(`data/${name}.js`);
      const script = document.createElement("script");
      script.onload = () => {
        script.remove();
        if (pieces.has(name)) resolve(pieces.get(name));
        else reject(new Error(`the file ${address} is broken`));
      };
      script.onerror = () => {
        script.remove();
        reject(new Error(`the file ${address} is missing`));
      };
      script.src = policy ? policy.createScriptURL(address) : address;
      document.head.append(script);
    });
  }

  return { piece, loaded, load };
})();
