"use strict";
// Elements and text. Names of models and what they wrote are text from outside: all of it comes through here, becomes
// text nodes only, and what cannot be seen in it is shown.

(() => {
  // Controls of C0 and C1 but tab and new line; marks that turn the direction of text; characters without width that
  // are no part of any script's spelling; line separators; tags.
  const CONTROLS = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f";
  const TURNING = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
  const WIDTHLESS = "\\u00ad\\u200b\\u2060-\\u2065\\ufeff\\ufff9-\\ufffb";
  const HIDDEN = new RegExp(`[${CONTROLS}${TURNING}${WIDTHLESS}\\u2028\\u2029\\u{e0000}-\\u{e007f}]`, "gu");

  function symbol(character) {
    return `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
  }

  /** The text with what cannot be seen as symbols. */
  function visible(text) {
    return String(text).replace(/\r\n/g, "\n").replace(HIDDEN, symbol).toWellFormed();
  }

  const ATTRIBUTES = new Set(["alt", "aria-label", "title", "placeholder"]);

  function setAttribute(element, name, value) {
    if (value === null || value === undefined || value === false) return;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "href" && !value.startsWith("#")) throw new TypeError(`a link leads out of the page: ${value}`);
    else element.setAttribute(name, value === true ? "" : ATTRIBUTES.has(name) ? visible(value) : value);
  }

  /** An element with attributes (`onclick` and the like are listeners) and children; a string becomes visible text. */
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) setAttribute(made, name, value);
    append(made, children);
    return made;
  }

  function append(parent, children) {
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      parent.append(child instanceof Node ? child : visible(child));
    }
  }

  /** An element of SVG. */
  function drawn(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    append(made, children);
    return made;
  }

  /** Text from outside within a line: it does not turn the direction of what stands beside it. */
  function foreign(text, attributes) {
    return element("bdi", attributes, text);
  }

  /** Chinese text within a line. */
  function chinese(text) {
    return element("bdi", { lang: "zh" }, text);
  }

  Object.assign(openbook, { visible, element, drawn, foreign, chinese });
})();
