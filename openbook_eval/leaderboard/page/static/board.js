"use strict";
// The boards: one a condition and exam, each a table of runs that may be compared.

(() => {
  const { element, foreign, figures, route } = openbook;

  /** What a condition is called: its name in task files, as words. */
  const conditionName = (condition) => condition.replaceAll("_", " ");

  /** The view. */
  function board(data, { settings }) {
    if (!data.boards.length) {
      return [element("h1", {}, "Leaderboard"), element("p", {}, "No run could be ranked."), refusals(data.refused)];
    }
    const shown = data.boards.find((one) => one.key === settings.get("board")) || data.boards[0];
    return [
      element("h1", {}, "Leaderboard"),
      tabs(data.boards, shown),
      refusals(data.refused),
      element(
        "section",
        { "aria-label": conditionName(shown.condition) },
        notes(shown),
        ranking(data, shown, settings),
      ),
      legend(shown),
    ];
  }

  function tabs(boards, shown) {
    const tab = (one) =>
      element(
        "a",
        { href: route.address("", { board: one.key }), "aria-current": one === shown ? "page" : null },
        conditionName(one.condition),
        element(
          "small",
          {},
          foreign(one.title),
          ` \u00b7 ${one.rows.length} ${one.rows.length === 1 ? "run" : "runs"}`,
        ),
      );
    return element("nav", { class: "tabs", "aria-label": "Conditions" }, boards.map(tab));
  }

  function refusals(refused) {
    if (!refused.length) return null;
    const many = refused.length === 1 ? "1 run is not shown" : `${refused.length} runs are not shown`;
    const lines = element(
      "ul",
      {},
      refused.map((text) => element("li", {}, foreign(text))),
    );
    return element("details", { class: "refused", open: refused.length <= 3 }, element("summary", {}, many), lines);
  }

  function notes(shown) {
    if (!shown.notes.length) return null;
    return element(
      "ul",
      { class: "notes" },
      shown.notes.map((text) => element("li", {}, foreign(text))),
    );
  }

  function ranking(data, shown, settings) {
    const chosen = [];
    const compare = element("button", { type: "button", disabled: true, onclick: () => open(chosen) }, "Compare two");
    const left = element("p", { class: "count", role: "status" });
    const sort = { key: settings.get("sort") || "rank", up: settings.get("up") !== "0" };
    const noted = () => route.note("", { board: shown.key, sort: now.key, up: now.up ? null : "0", q: search.value });
    let now = sort;
    const onsort = (order) => {
      now = order;
      noted();
    };
    const choose = (box, id) => {
      pick(chosen, box, id);
      compare.disabled = chosen.length !== 2;
    };
    const label = `Runs, ${conditionName(shown.condition)}`;
    const ranked = openbook.table(columns(data, shown, choose), shown.rows, { sort, onsort, label });
    const search = element("input", {
      type: "search",
      value: settings.get("q") || "",
      placeholder: "model or recipe",
      oninput: () => narrow() || noted(),
    });
    const narrow = () => {
      const wanted = search.value.toLowerCase();
      const many = ranked.filter((row) => names(data.runs[row.run]).includes(wanted));
      left.textContent = wanted ? `${many} of ${shown.rows.length} runs` : "";
    };
    narrow();
    const tools = element("div", { class: "tools" }, element("label", {}, "Filter ", search), compare, left);
    return [tools, ranked.box];
  }

  function names(run) {
    return `${run.model}\n${run.trained_on ? run.trained_on.recipe : ""}`.toLowerCase();
  }

  // The last two boxes stand: a third lets the first go.
  function pick(chosen, box, id) {
    const at = chosen.findIndex((one) => one.id === id);
    if (at >= 0) chosen.splice(at, 1);
    if (box.checked) chosen.push({ id, box });
    if (chosen.length > 2) chosen.shift().box.checked = false;
  }

  function open([a, b]) {
    location.hash = route.address("items", { a: a.id, b: b.id });
  }

  function columns(data, shown, choose) {
    const own = (row) => data.runs[row.run];
    const mark = (key, head, title) => share(key, head, (row) => [row.marks[key]], title);
    return [
      { key: "choose", class: "choose", head: hiddenHead("Choose"), cell: (row) => box(own(row), choose) },
      { key: "rank", head: "Rank", class: "rank", value: (row) => row.rank && row.rank[0], cell: (row) => rank(row.rank) },
      { ...MODEL, value: (row) => own(row).model, cell: (row) => model(own(row)) },
      averages(shown),
      shown.exams.map((exam, index) => share(exam, examHead(exam, data.exams), (row) => row.exams[index])),
      isComplete(shown) ? share("micro", "By size", (row) => row.micro, BY_SIZE) : [],
      mark("correct_strict", "Strict", "The response is nothing but the right letters"),
      mark("format_followed", "Format", "The response is nothing but letters, right or wrong"),
      mark("answered", "Answered", "The response commits to a letter"),
      shown.rows.some((row) => (row.marks.abstained ?? null) !== null)
        ? mark("abstained", "Abstained", "The response says that the material does not tell")
        : [],
    ].flat();
  }

  const MODEL = { key: "model", head: "Model", class: "model", header: true };
  const BY_SIZE = "Mean over all items: exams weigh by their size";

  /** Whether there is a plain mean of the six exams; else runs are ranked by the mean over all items. */
  function isComplete(shown) {
    return shown.rows.some((row) => row.macro && row.macro[0] !== null);
  }

  // What runs are ranked by, as a figure and as a whisker.
  function averages(shown) {
    const overall = isComplete(shown) ? (row) => row.macro : (row) => row.micro;
    const scale = figures.scale(shown.rows.map(overall));
    const whisker = (row) => figures.whisker(overall(row), scale);
    return [
      isComplete(shown)
        ? share("macro", "Average", overall, "Plain mean of the six exams", "average")
        : share("micro", "By size", overall, BY_SIZE, "average"),
      { key: "whisker", class: "whiskers", head: figures.scaleHead(scale), cell: whisker },
    ];
  }

  function share(key, head, estimate, title = null, name = null) {
    const value = (row) => (estimate(row) ? estimate(row)[0] : null);
    const cell = (row) => element("span", { title: interval(estimate(row)) }, figures.percent(value(row)));
    return { key, head, title, value, number: true, class: name, cell };
  }

  const interval = (estimate) => (estimate && estimate.length === 3 ? figures.inWords(estimate) : null);

  function examHead(exam, chineseNames) {
    return [exam, element("small", { lang: "zh" }, chineseNames[exam])];
  }

  const hiddenHead = (text) => element("span", { class: "hidden" }, text);

  function box(run, choose) {
    const onchange = (event) => choose(event.target, run.id);
    return element("input", { type: "checkbox", "aria-label": `Choose ${run.model} for comparison`, onchange });
  }

  // None where items got no response.
  function rank(found) {
    if (!found) return element("span", { class: "place" }, "\u2013");
    const [place, low, high] = found;
    const range = low === high ? null : element("small", {}, `${low}\u2013${high}`);
    return [element("span", { class: "place" }, `${place}`), range];
  }

  function model(run) {
    const recipe = run.trained_on ? run.trained_on.recipe : run.date.slice(0, 10);
    return [
      element("a", { href: route.address("run", {}, run.id) }, foreign(run.model)),
      element(
        "small",
        {},
        foreign(recipe),
        flags(run).map(([word, why]) => [" ", flag(word, why)]),
      ),
    ];
  }

  const flag = (word, why) => element("span", { class: "flag", title: why }, word);

  /** What speaks against a run's figures: [word, reason] each. */
  function flags(run) {
    const { truncation } = run;
    const found = [];
    if (truncation.checked && truncation.cut) {
      found.push(["cut", `${figures.count(truncation.cut)} prompts did not reach the model whole`]);
    }
    if (!truncation.checked) found.push(["unchecked", `whether prompts were cut is not known: ${truncation.reason}`]);
    if (run.limited) found.push(["limited", "not all questions were asked"]);
    if (run.gaps) found.push(["gaps", run.gaps]);
    return found;
  }

  function legend(shown) {
    const detectable = shown.detectable
      ? `A difference of less than about ${figures.percent(shown.detectable)} points between two models is likely to ` +
        `go unseen by these ${figures.count(shown.items)} items (power 80 %, level 5 %). `
      : "";
    return element(
      "p",
      { class: "legend" },
      detectable,
      "Shares in percent. Whiskers are 95 % intervals; so is the range beside a rank. ",
      "A place is one more than the number of models that are better for sure. ",
      isComplete(shown)
        ? ""
        : "Not all six exams were asked: there is no average of them, and runs stand by all items.",
    );
  }

  Object.assign(openbook, { views: { "": { title: "Board", show: board } }, conditionName, flags });
})();
