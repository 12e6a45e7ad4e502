"use strict";
// One run: its figures, and everything that is known of where they come from.

(() => {
  const { element, foreign, figures, route } = openbook;

  /** The view. */
  function run(data, { id }) {
    const found = data.runs.find((one) => one.id === id);
    if (!found) throw new Error(`this report holds no run ${id}`);
    const shown = data.boards[found.board];
    const row = shown.rows.find((one) => data.runs[one.run] === found);
    return [
      element("h1", {}, foreign(found.model)),
      element("p", { class: "lead" }, openbook.conditionName(found.condition), ", ", foreign(found.date.slice(0, 10))),
      warnings(found),
      links(data, found, shown),
      results(data, shown, row),
      element(
        "div",
        { class: "facts" },
        sections(found).map(([heading, facts]) => section(heading, facts)),
      ),
    ];
  }

  function warnings(found) {
    const flags = openbook.flags(found);
    if (!flags.length) return null;
    return element(
      "ul",
      { class: "notes" },
      flags.map(([word, why]) => element("li", {}, `${word}: `, foreign(why))),
    );
  }

  function links(data, found, shown) {
    const others = data.runs.filter((one) => one.model === found.model && one !== found);
    const other = (one) =>
      element("a", { href: route.address("run", {}, one.id) }, openbook.conditionName(one.condition));
    return element(
      "p",
      { class: "links" },
      element("a", { href: route.address("items", { a: found.id }) }, "Items of this run"),
      element("a", { href: route.address("", { board: shown.key }) }, "Its board"),
      others.length
        ? element(
            "span",
            {},
            "Also under: ",
            others.map((one) => [other(one), " "]),
          )
        : null,
    );
  }

  function results(data, shown, row) {
    const named = (exam, index) => ({
      name: [exam, " ", openbook.chinese(data.exams[exam])],
      value: row.exams[index],
    });
    const rows = [
      ...shown.exams.map(named),
      { name: "Average of the exams", value: row.macro },
      { name: "Mean over all items", value: row.micro },
      ...Object.entries(row.marks)
        .filter(([, value]) => value !== null)
        .map(([mark, value]) => ({ name: `${mark.replaceAll("_", " ")}, average`, value: [value, null, null] })),
    ];
    const scale = figures.scale(rows.map((one) => one.value));
    const columns = [
      { key: "name", head: "Share right", header: true, cell: (one) => one.name },
      { key: "value", head: "Percent", number: true, cell: (one) => figures.percent(one.value && one.value[0]) },
      {
        key: "whisker",
        class: "whiskers",
        head: figures.scaleHead(scale),
        cell: (one) => figures.whisker(one.value, scale),
      },
      { key: "range", head: "95 % interval", class: "range", cell: (one) => figures.range(one.value) },
    ];
    const table = openbook.table(columns, rows, { label: "Results" }).box;
    table.classList.add("narrow");
    return element("section", {}, element("h2", {}, "Results"), table);
  }

  // Every fact of a run stands in one section; what is new to this list comes last.
  const SECTIONS = {
    Run: ["id", "model", "condition", "date", "asked", "limited", "gaps", "results"],
    Exam: ["exam", "entries_sha256", "items_sha256"],
    Prompt: ["task_version", "profile", "shots", "system_instruction", "chat_template", "task_hashes"],
    Truncation: ["truncation"],
    Training: ["trained_on"],
    Cost: ["cost"],
    Versions: ["versions"],
  };
  const SHOWN_ELSEWHERE = ["board", "texts"];

  function sections(found) {
    const known = new Set([...Object.values(SECTIONS).flat(), ...SHOWN_ELSEWHERE]);
    const rest = Object.keys(found).filter((key) => !known.has(key));
    const all = rest.length ? { ...SECTIONS, Else: rest } : SECTIONS;
    return Object.entries(all).map(([heading, keys]) => [heading, facts(found, keys)]);
  }

  function facts(found, keys) {
    if (keys.length > 1) return list(keys.map((key) => [key, found[key]]));
    const [key] = keys;
    const only = found[key];
    return only && typeof only === "object" ? list(Object.entries(only), key) : list([[key, only]]);
  }

  function section(heading, facts) {
    return element("section", {}, element("h2", {}, heading), facts);
  }

  function list(entries, of = null) {
    const described = ([key, value]) => [element("dt", {}, foreign(term(key, of))), description(key, value)];
    return element("dl", {}, entries.map(described));
  }

  // Names of tasks and of packages stay as they are; those of fields become words.
  function term(key, of) {
    if (["task_hashes", "versions"].includes(of)) return key;
    return key
      .replace(/_?sha256$/, "_digest")
      .replaceAll("_", " ")
      .trim();
  }

  function description(key, value) {
    const nested = value !== null && typeof value === "object";
    return element("dd", { class: nested ? "nested" : null }, nested ? list(Object.entries(value), key) : told(value));
  }

  function told(value) {
    if (value === null || value === undefined || value === "") return element("span", { class: "none" }, "none");
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "number") return Number.isInteger(value) ? figures.count(value) : `${value}`;
    return /^[0-9a-f]{16,}$/.test(value) ? element("code", {}, value) : foreign(value);
  }

  openbook.views.run = { title: "Run", hidden: true, show: run };
})();
