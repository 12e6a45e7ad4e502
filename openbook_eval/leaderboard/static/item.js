"use strict";
// One item: what was asked, what stood in the book, what was answered, and what was read in the answer.

(() => {
  const { element, foreign } = openbook;
  const LONGEST = 20_000; // characters of a response that are shown at once
  const VERDICTS = { 1: ["right", "\u2713"], 0: ["wrong", "\u2717"], "-": ["no response", "\u00b7"] };
  const cell = (kind, ...inside) => element("span", { class: kind }, inside);
  const count = (number) => new Intl.NumberFormat("en").format(number);
  // Halves up, as console.py rounds.
  const percent = (part, whole) => (whole ? (Math.round(Number(((1000 * part) / whole).toFixed(6))) / 10).toFixed(1) : "\u2013");

  /** A score as a symbol, with words for those who do not see it. */
  function verdict(score, inWords = false) {
    const [words, symbol] = VERDICTS[score];
    const told = inWords ? ` ${words}` : cell("hidden", words);
    return element("span", { class: `verdict ${words}` }, element("span", { "aria-hidden": "true" }, symbol), told);
  }

  /** A box of Chinese text that is reached by keyboard, as it may scroll. */
  function box(kind, label) {
    const spoken = { role: "region", "aria-label": label, tabindex: 0 };
    return element("div", { class: `text ${kind}`, lang: "zh", dir: "auto", ...spoken });
  }

  function prompt(question, book, response) {
    // A book that is shared with nobody is the entry; without a book all of the prompt stands behind it.
    const open = book !== null || question.before !== "";
    const text = question.before + (book ?? (open ? question.entry : "")) + question.after;
    const at = open && question.entry ? text.indexOf(question.entry) : -1;
    const where = box("prompt", "Prompt");
    const [before, after] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + question.entry.length)];
    const mark = at < 0 ? "" : element("mark", {}, question.entry);
    where.append(openbook.visible(before), mark, openbook.visible(after));
    const by = question.provider ? [", entry by ", foreign(question.provider)] : "";
    const told = open ? [by, at < 0 ? ", which does not stand in this book" : ", marked"] : ", no book";
    return element("section", {},
      element("h3", {}, "Prompt", element("small", {}, `${count(text.length)} characters`, told)),
      template("Chat template before it", response && response.before),
      where,
      template("Chat template after it", response && response.after),
    );
  }

  function template(name, text) {
    if (!text) return null;
    const inside = element("div", { class: "text" }, text);
    return element("details", { class: "template" }, element("summary", {}, name), inside);
  }

  function options(question, sides) {
    const line = ([letter, text]) => {
      const right = question.expected.includes(letter);
      const chosen = sides.filter((one) => one.letters.includes(letter));
      return element("li", { class: right ? "right" : null },
        element("b", {}, foreign(letter)),
        foreign(text, "zh"),
        right ? cell("verdict right", "\u2713 right") : null,
        chosen.map((one) => cell("chosen", sides.length > 1 ? `${one.name} chose this` : "chosen")),
      );
    };
    const abstain = question.expected ? null : element("p", {}, "Right is to say that the material does not tell.");
    const list = element("ul", { class: "options" }, question.options.map(line));
    return element("section", {}, element("h3", {}, "Options"), list, abstain);
  }

  function side(one) {
    const name = element("h3", {}, cell("side-name", one.name), foreign(one.run.model));
    return element("section", { class: "side" }, name, read(one), response(one));
  }

  function read({ score, strict, followed, letters, rule, text }) {
    const state = text ? text.state : null;
    return element("p", { class: "read" },
      verdict(score, true),
      " \u00b7 read ",
      letters ? cell("letters", foreign(letters)) : cell("none", "no letter"),
      rule ? [" by the rule ", element("code", {}, foreign(rule))] : null,
      state === "implied" || (state || "").startsWith("asked") ? `, ${state}` : null,
      followed === "0" ? " \u00b7 format not followed" : null,
      score === "1" && strict === "0" ? " \u00b7 strictly wrong" : null,
    );
  }

  function response({ run, text, score, rule, name }) {
    const why = () => {
      if (!run.texts) return "The texts of this run are not at hand.";
      if (rule === "ranked") return "Letters were ranked: there is no text.";
      return score === "-" ? "No response came." : "The response is empty.";
    };
    if (!text || !text.response) return element("p", { class: "none" }, why());
    const where = box("response", `Response of ${name}`);
    const put = (shown) => where.replaceChildren(openbook.visible(shown));
    put(text.response.slice(0, LONGEST));
    if (text.response.length <= LONGEST) return where;
    const onclick = ({ target }) => (put(text.response), target.remove());
    const all = `Show all ${count(text.response.length)} characters`;
    return [where, element("button", { type: "button", onclick }, all)];
  }

  function title({ board, columns, deep }, place, question) {
    const exam = Object.keys(board.exams)[columns.exam[place]];
    const depth = columns.depth[place];
    return element("header", {},
      element("h2", {}, foreign(columns.ids[place])),
      element("p", { class: "lead" }, `${exam} `, foreign(board.exams[exam], "zh"), " \u00b7 ",
        foreign(columns.classes[columns.class[place]], "zh"),
        question && question.subject ? [" \u00b7 ", foreign(question.subject, "zh")] : null,
        ` \u00b7 ${columns.multi[place] === "1" ? "multiple" : "single"} choice`,
        deep && depth !== null ? ` \u00b7 entry at ${Math.round(100 * depth)} % of the book` : null),
    );
  }

  /** What is known of one side: its scores, and its text where it has one. */
  function sideOf({ name, run, scores }, place, text) {
    const [score, strict, followed] = ["correct", "correct_strict", "format_followed"].map((key) => scores[key][place]);
    const [letters, rule] = [scores.letters[place], scores.rules[scores.rule[place]]];
    return { name, run, text, score, strict, followed, letters, rule };
  }

  /** Loads the texts of the item at `place` for all sides and draws it; what is missing is told in its place. */
  /** The item across all models of its board, whose scores are loaded when it is opened. */
  function across({ board }, place) {
    const list = element("ul", { class: "across" });
    async function open({ target }) {
      if (!target.open || list.children.length) return;
      const scores = await Promise.all(board.runs.map((run) => openbook.load(`scores-${run.number}`)));
      const right = scores.filter((one) => one.correct[place] === "1").length;
      const lines = board.runs.map((run, at) => element("li", {}, verdict(scores[at].correct[place]), " ",
        foreign(run.model), " ", cell("letters", foreign(scores[at].letters[place] || "\u2013"))));
      list.replaceChildren(element("li", {}, `right in ${count(right)} of ${count(board.runs.length)}`), ...lines);
    }
    return element("details", { ontoggle: open }, element("summary", {}, "This item across all models"), list);
  }

  async function itemDetail(exam, sides, place) {
    const [chunk, at] = [Math.floor(place / exam.chunk), place % exam.chunk];
    const row = async (name) => (await openbook.load(`${name}-${chunk}`))[at];
    try {
      const question = exam.texts ? await row(`questions-${exam.number}`) : null;
      const book = question && question.book ? await openbook.load(question.book) : null;
      const texts = await Promise.all(sides.map((one) => (one.run.texts ? row(`responses-${one.run.number}`) : null)));
      const shown = sides.map((one, index) => sideOf(one, place, texts[index]));
      const asked = question ? [prompt(question, book, texts.find(Boolean)), options(question, shown)] : [];
      return [title(exam, place, question), ...asked, element("div", { class: "sides" }, shown.map(side)), across(exam, place)];
    } catch (error) {
      const told = `${exam.columns.ids[place]} cannot be shown: ${error.message}`;
      return [title(exam, place, null), element("p", { class: "fault", role: "alert" }, told)];
    }
  }

  Object.assign(openbook, { itemDetail, verdict, cell, count, percent });
})();
