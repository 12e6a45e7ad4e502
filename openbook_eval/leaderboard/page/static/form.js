"use strict";
// The filters of the items.

(() => {
  const { element, filter, route } = openbook;

  /** The form, and `wanted()`: what is set, by the keys of the address. `onchange` hears of each change. */
  function itemForm(exam, sides, settings, onchange) {
    const controls = {};
    const select = (key, words, choices) => {
      const control = element("select", { id: `by-${key}`, onchange }, choices.map(option));
      control.value = settings.get(key) || "";
      if (control.selectedIndex < 0) control.value = "";
      controls[key] = control;
      return labelled(words, control);
    };
    const search = element("input", {
      id: "by-q",
      type: "search",
      placeholder: "id or stem",
      value: settings.get("q") || "",
      oninput: onchange,
    });
    controls.q = search;
    const wanted = () => Object.fromEntries(filter.KEYS.map((key) => [key, controls[key] ? controls[key].value : ""]));
    const runs = runSelects(exam, sides, wanted);
    const form = element(
      "form",
      { class: "filters", onsubmit: (event) => event.preventDefault() },
      runs,
      element(
        "div",
        { class: "row" },
        choices(exam, sides).map(([key, words, list]) => select(key, words, list)),
        searching(exam, search, onchange),
      ),
    );
    return { form, wanted };
  }

  function option([value, words]) {
    return element("option", { value }, words);
  }

  function labelled(words, control) {
    return element("label", {}, element("span", {}, words), control);
  }

  // [key, label, [[value, words], ...]] of each filter that has something to tell apart.
  function choices(exam, sides) {
    const { columns, data } = exam;
    const any = ["", "all"];
    const fifths = Array.from({ length: filter.FIFTHS }, (_, index) => [`${index + 1}`, fifthName(index + 1)]);
    const all = [
      ["exam", "Exam", [any, ...columns.exams.map((name) => [name, `${name} ${data.exams[name]}`])]],
      ["class", "Class", [any, ...columns.classes.map((name) => [name, name])]],
      ["type", "Type", [any, ["single", "single choice"], ["multi", "multiple choice"]]],
      columns.depth.some((depth) => depth !== null) ? ["depth", "Place in the book", [any, ...fifths]] : null,
      [
        "right",
        sides.length > 1 ? "A is" : "Response",
        [any, ["right", "right"], ["wrong", "wrong"], ["none", "missing"]],
      ],
      ["rule", "Read by", [any, ...sides[0].marks.rules.filter(Boolean).map((name) => [name, name])]],
      sides.length > 1
        ? ["flipped", "Flipped", [any, ["1", "flipped only"], ["a", "only A right"], ["b", "only B right"]]]
        : null,
    ];
    return all.filter((one) => one && one[2].length > 2);
  }

  const fifthName = (fifth) =>
    ({ 1: "first fifth", 2: "second fifth", 3: "third fifth", 4: "fourth fifth", 5: "last fifth" })[fifth];

  // Another run is another address: the view is drawn anew, with the same filters and the same item.
  function runSelects(exam, sides, wanted) {
    const { data, board } = exam;
    const [a, b] = sides.map((side) => side.run.id);
    const item = () => route.read().settings.get("item");
    const go = (runs) => {
      location.hash = route.address("items", { a, b, ...wanted(), item: item(), ...runs });
    };
    const boards = data.boards.map((one) => group(one, options(data, one)));
    const first = element("select", { id: "by-a", onchange: () => go(besides(data, first.value, b)) }, boards);
    const none = option(["", "none"]);
    const others = options(data, board).filter((one) => one.value !== a);
    const second = element("select", { id: "by-b", onchange: () => go({ b: second.value }) }, none, others);
    first.value = a;
    second.value = b || "";
    return element("div", { class: "row" }, labelled("Run A", first), labelled("Run B", second));
  }

  // A run B stays only beside a run of its own board, and not beside itself.
  function besides(data, a, b) {
    const boardOf = (id) => data.runs.find((run) => run.id === id).board;
    return { a, b: b && b !== a && boardOf(a) === boardOf(b) ? b : null };
  }

  function group(board, runs) {
    return element(
      "optgroup",
      { label: openbook.visible(`${openbook.conditionName(board.condition)}, ${board.title}`) },
      runs,
    );
  }

  function options(data, board) {
    return board.rows.map((row) => option([data.runs[row.run].id, data.runs[row.run].model]));
  }

  // Stems lie in the chunks: those that were not loaded are found by id only, until all were asked for.
  function searching(exam, search, onchange) {
    const { chunk } = exam.board;
    const names = Array.from(
      { length: Math.ceil(exam.columns.ids.length / chunk) },
      (_, k) => `questions-${exam.number}-${k}`,
    );
    const missing = () => names.filter((name) => !openbook.loaded(name));
    const told = element("small", { role: "status" });
    const button = element("button", { type: "button", class: "quiet", onclick: () => all() }, "Load all stems");

    async function all() {
      button.disabled = true;
      try {
        for (const name of missing()) {
          await openbook.load(name);
          told.textContent = `${names.length - missing().length} of ${names.length}`;
        }
        button.hidden = true;
        told.textContent = "";
      } catch (error) {
        button.disabled = false;
        told.textContent = openbook.visible(error.message);
      }
      onchange();
    }

    return [
      labelled("Search", search),
      exam.texts && missing().length ? element("span", { class: "stems" }, button, told) : null,
    ];
  }

  Object.assign(openbook, { itemForm });
})();
