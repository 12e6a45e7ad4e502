"use strict";
// A list of any length of which only the lines in sight stand in the document.

(() => {
  const { element } = openbook;
  const SPARE = 8; // lines beyond either edge, so that quick scrolling shows no gap

  class List {
    #line;
    #onchoose;
    #heads;
    #inner = element("div", { class: "lines", role: "presentation" });
    #places = [];
    #chosen = -1; // index into the places
    #waiting = 0;

    /**
     * `line(place)` makes the inside of a line, `onchoose(place)` hears of the chosen one, `heads` stay above all.
     * The height of a line is `--line` of the style sheet, in pixels. Keys: arrows, page up and down, home, end.
     */
    constructor({ line, onchoose, heads, label }) {
      [this.#line, this.#onchoose, this.#heads] = [line, onchoose, heads];
      const soon = () => {
        this.#waiting = this.#waiting || requestAnimationFrame(() => this.#draw());
      };
      const attributes = { class: "list", role: "listbox", tabindex: "0", "aria-label": label };
      const onkeydown = (event) => this.#key(event);
      this.box = element("div", { ...attributes, onkeydown, onscroll: soon }, heads, this.#inner);
      new ResizeObserver(soon).observe(this.box);
    }

    /** Shows other places; the item at `place` stays chosen where it is among them. */
    show(places, place) {
      this.#places = places;
      this.#inner.style.height = `${places.length * this.#height()}px`;
      this.#mark(places.indexOf(place));
    }

    /** The index of the chosen place, -1 where none is. */
    at() {
      return this.#chosen;
    }

    /** Chooses the place that lies `by` lines further. */
    step(by) {
      this.#choose(this.#chosen + by);
    }

    #height() {
      return parseFloat(getComputedStyle(this.box).getPropertyValue("--line")) || 30;
    }

    // The heads lie over the lines.
    #room() {
      return this.box.clientHeight - this.#heads.offsetHeight;
    }

    #draw() {
      this.#waiting = 0;
      const tall = this.#height();
      const first = Math.max(0, Math.floor(this.box.scrollTop / tall) - SPARE);
      const last = Math.min(this.#places.length, Math.ceil((this.box.scrollTop + this.#room()) / tall) + SPARE);
      const lines = [];
      for (let index = first; index < last; index += 1) lines.push(this.#lineAt(index, tall));
      this.#inner.replaceChildren(...lines);
      const inSight = this.#chosen >= first && this.#chosen < last;
      if (inSight) this.box.setAttribute("aria-activedescendant", `line-${this.#chosen}`);
      else this.box.removeAttribute("aria-activedescendant");
    }

    #lineAt(index, tall) {
      const selected = `${index === this.#chosen}`;
      const attributes = { class: "line", role: "option", id: `line-${index}`, "aria-selected": selected };
      const sizes = { "aria-setsize": `${this.#places.length}`, "aria-posinset": `${index + 1}` };
      const onclick = () => this.#choose(index);
      const made = element("div", { ...attributes, ...sizes, onclick }, this.#line(this.#places[index]));
      made.style.top = `${index * tall}px`;
      return made;
    }

    #choose(index) {
      if (!this.#places.length) return;
      this.#mark(Math.max(0, Math.min(this.#places.length - 1, index)));
      this.#onchoose(this.#places[this.#chosen]);
    }

    #mark(index) {
      this.#chosen = index;
      const tall = this.#height();
      const top = index * tall;
      const room = this.#room();
      if (index >= 0 && top < this.box.scrollTop) this.box.scrollTop = top;
      else if (index >= 0 && top + tall > this.box.scrollTop + room) this.box.scrollTop = top + tall - room;
      this.#draw();
    }

    #key(event) {
      const page = Math.max(1, Math.floor(this.#room() / this.#height()) - 1);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!Object.hasOwn(steps, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.step(steps[event.key]);
    }
  }

  Object.assign(openbook, { List });
})();
