"use strict";
// Draws the view that the address names.

(() => {
  const { element, route, views } = openbook;
  const main = document.getElementById("main");
  let standing = null; // AbortController of the view that stands

  async function draw() {
    const wanted = route.read();
    if (standing) standing.abort();
    const mine = new AbortController();
    standing = mine;
    main.setAttribute("aria-busy", "true");
    const drawn = await shown({ ...wanted, signal: mine.signal });
    if (mine.signal.aborted) return;
    put(drawn, `${wanted.view}/${wanted.id}`);
    navigation(wanted.view);
  }

  /** {nodes, begin} of a view; a fault is a view as well. */
  async function shown(wanted) {
    try {
      const data = await openbook.load("board");
      const view = Object.hasOwn(views, wanted.view) ? views[wanted.view] : null;
      if (!view) throw new Error(`this page has no view ${wanted.view}`);
      about(data, view);
      const drawn = await view.show(data, wanted);
      return Array.isArray(drawn) ? { nodes: drawn } : drawn;
    } catch (error) {
      return { nodes: [element("p", { class: "fault", role: "alert" }, `This cannot be shown: ${error.message}.`)] };
    }
  }

  // The focus stays on the control that asked for another drawing; a new view begins at its top.
  function put({ nodes, begin }, name) {
    const focus = document.activeElement ? document.activeElement.id : "";
    const first = main.dataset.view === undefined;
    const same = main.dataset.view === name;
    main.replaceChildren(element("div", { class: "view" }, nodes));
    main.dataset.view = name;
    main.removeAttribute("aria-busy");
    if (begin) begin();
    if (same && focus) document.getElementById(focus)?.focus();
    if (same || first) return;
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }

  function navigation(view) {
    const link = ([name, one]) =>
      element("a", { href: route.address(name), "aria-current": name === view ? "page" : null }, one.title);
    const all = Object.entries(views).filter(([, one]) => !one.hidden);
    document.getElementById("views").replaceChildren(...all.map(link));
  }

  function about(data, view) {
    document.title = `${view.title} \u00b7 open-book exam`;
    const words = `openbook-eval ${data.version}, newest run of ${data.made.slice(0, 10)}`;
    document.getElementById("made").textContent = openbook.visible(words);
  }

  // Its address would be that of a view.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  window.addEventListener("hashchange", draw);
  draw();
})();
