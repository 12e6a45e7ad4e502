"use strict";
// What every view shares: the theme, text from outside, the settings in the address, tables that sort and filter.

const openbook = (() => {
  const KEY = "openbook-theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // Some browsers forbid storage to pages from disk: then the choice holds until the page is closed.
  function stored(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      return localStorage.getItem(KEY);
    } catch {
      return theme;
    }
  }

  let chosen = stored();
  const theme = () => (["dark", "light"].includes(chosen) ? chosen : dark.matches ? "dark" : "light");

  function setTheme() {
    document.documentElement.dataset.theme = theme();
    const button = document.getElementById("theme");
    if (!button) return;
    const other = theme() === "dark" ? "Light" : "Dark";
    button.textContent = other;
    button.setAttribute("aria-label", `${other} colours`);
    button.hidden = false;
  }

  setTheme(); // before anything is drawn
  dark.addEventListener("change", setTheme);

  // As in svg.py: controls but tab and new line, marks that turn the direction of text, characters without width that
  // are no part of any script's spelling, line separators, tags.
  const CONTROLS = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f";
  const TURNING = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
  const WIDTHLESS = "\\u00ad\\u200b\\u2060-\\u2065\\ufeff\\ufff9-\\ufffb";
  const HIDDEN = new RegExp(`[${CONTROLS}${TURNING}${WIDTHLESS}\\u2028\\u2029\\u{e0000}-\\u{e007f}]`, "gu");
  const symbol = (one) => `[U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;

  /** Text from outside with what cannot be seen in it as symbols. */
  function visible(text) {
    return String(text).replace(/\r\n/g, "\n").replace(HIDDEN, symbol).toWellFormed();
  }

  /** An element with attributes (`onclick` and the like are listeners) and children; a string becomes visible text. */
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, visible(value));
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined) made.append(child instanceof Node ? child : visible(child));
    }
    return made;
  }

  /** Text from outside within a line: it does not turn the direction of what stands beside it. */
  const foreign = (text, lang = null) => element("bdi", { lang }, text);

  /** The settings in the address, after its #. */
  const settings = () => new URLSearchParams(location.hash.slice(1));

  /** The settings as an address; empty ones are left out. */
  function address(values) {
    return `#${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`;
  }

  let waiting = null;

  /** Writes settings into the address, without a step in the history; browsers allow few a second. */
  function note(values) {
    const before = location.hash;
    clearTimeout(waiting);
    // Other settings may have come in the meantime.
    waiting = setTimeout(() => location.hash === before && history.replaceState(null, "", address(values)), 120);
  }

  /** Makes the heads of a table sort it; gives `order()` and `sort(key, up)`. */
  function sortable(table, onsort) {
    const heads = [...table.tHead.rows[0].cells];
    let order = null;

    function sort(key, up) {
      const head = heads.find((one) => one.dataset.sort === key);
      if (!head) return;
      const number = head.classList.contains("number");
      const value = (row) => row.cells[head.cellIndex].dataset.value;
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        if (!a || !b) return Number(!a) - Number(!b); // what has none comes last either way
        const by = number || head.classList.contains("rank") ? a - b : a.localeCompare(b);
        return up ? by : -by;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
      for (const one of heads) {
        if (one.dataset.sort) one.setAttribute("aria-sort", one !== head ? "none" : up ? "ascending" : "descending");
      }
      order = { sort: key, up: up ? "" : "0" };
    }

    for (const head of heads.filter((one) => one.dataset.sort)) {
      const onclick = () => {
        const same = order && order.sort === head.dataset.sort;
        sort(head.dataset.sort, same ? order.up === "0" : !head.classList.contains("number"));
        onsort();
      };
      const button = element("button", { type: "button", class: "sort", onclick });
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
    }
    return { sort, order: () => order };
  }

  /** The filter of a board, the choice of two runs, and its order, which all but the choice stand in the address. */
  function board(table) {
    const [search, compare] = [document.getElementById("filter"), document.getElementById("compare")];
    const [rows, boxes] = [[...table.tBodies[0].rows], [...table.querySelectorAll("input")]];
    const noted = () => note({ ...sorting.order(), q: search.value });
    const sorting = sortable(table, noted);
    const wanted = settings();
    let chosen = [];

    function filter() {
      const text = search.value.toLowerCase();
      for (const row of rows) row.hidden = !row.dataset.names.toLowerCase().includes(text);
      const left = rows.filter((row) => !row.hidden).length;
      document.querySelector(".count").textContent = text ? `${left} of ${rows.length} runs` : "";
    }

    // The last two boxes stand: a third lets the first go.
    function choose({ target }) {
      chosen = [...chosen.filter((box) => box !== target), target].filter((box) => box.checked);
      if (chosen.length > 2) chosen.shift().checked = false;
      compare.disabled = chosen.length !== 2;
    }

    sorting.sort(wanted.get("sort") || table.dataset.order, wanted.get("up") !== "0");
    search.value = wanted.get("q") || "";
    filter();
    search.addEventListener("input", () => (filter(), noted()));
    for (const box of boxes) box.addEventListener("change", choose);
    compare.addEventListener("click", () => {
      location.href = compare.dataset.address + address({ a: chosen[0].value, b: chosen[1].value });
    });
    search.closest(".tools").hidden = false;
  }

  document.addEventListener("DOMContentLoaded", () => {
    setTheme();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = theme() === "dark" ? "light" : "dark";
      stored(chosen);
      setTheme();
    });
    // Its address would take the place of the settings.
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    });
    for (const table of document.querySelectorAll("table.sorted")) {
      if (document.getElementById("filter")) board(table);
      else sortable(table, () => {}).sort(table.dataset.order, false);
    }
  });

  return { visible, element, foreign, settings, address, note };
})();
