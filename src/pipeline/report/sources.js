"use strict";

const PAGE_SIZE = 50;
const LIST_COLUMNS = [
  { key: "source_id", name: "Source", style: "id" },
  { key: "mission", name: "Mission" },
  { key: "status", name: "Status" },
  { key: "model", name: "Model" },
  { key: "slope", name: "Slope", errors: true },
  { key: "bend_frequency", name: "Bend", errors: true },
  { key: "qpo_frequency", name: "QPO frequency", errors: true },
  { key: "qpo_q", name: "QPO Q", errors: true },
  { key: "qpo_rms", name: "QPO rms", errors: true },
  { key: "qpo_p_value", name: "p (peak)", number: true, limit: "qpo_p_is_limit" },
  { key: "rms", name: "rms", errors: true },
  { key: "mean_rate", name: "Rate", number: true },
  { key: "delta_bic", name: "ΔBIC", number: true },
  { key: "exposure", name: "Exposure", number: true },
];

/* The table of sources on the page: filter, sort, pages, and the power spectrum of the one that is open. */
class SourceTable {
  constructor(data, survey, place) {
    this.data = data;
    this.survey = survey;
    this.results = new Set(data.statuses.filter((entry) => entry.result).map((entry) => entry.status));
    this.filter = { words: "", status: "", qpo: false, range: null };
    this.sort = { key: "source_id", descending: false };
    this.rows = new Uint32Array(0);
    this.page = 0;
    this.open = null;
    this.ticket = 0; // of the last wish: an answer to an earlier one comes too late
    this.build(place);
  }

  build(place) {
    const set = (name, value) => {
      this.filter[name] = value;
      this.apply();
    };
    this.status = h("select", { "aria-label": "Status", onchange: (event) => set("status", event.target.value) },
      h("option", { value: "" }, "every status"),
      ...this.data.statuses.map(({ status, count }) => h("option", { value: status }, `${status} (${count})`)));
    this.chip = h("button", { hidden: "", title: "Remove this filter", onclick: () => set("range", null) });
    this.count = h("span", { class: "count", role: "status" });
    this.previous = h("button", { onclick: () => this.turn(-1), "aria-label": "Previous page" }, "‹");
    this.next = h("button", { onclick: () => this.turn(1), "aria-label": "Next page" }, "›");
    this.head = h("tr");
    this.body = h("tbody");
    place.append(
      h("p", { class: "note screen" }, "Click on a column to sort, on a source to see its power spectrum. Errors are 68.3 %."),
      h("div", { class: "controls" },
        h("input", { type: "search", placeholder: "Source, object, mission, model, reason …", "aria-label": "Filter",
          oninput: (event) => set("words", event.target.value.toLowerCase()) }),
        this.status,
        h("label", { class: "toggle" }, h("input", { type: "checkbox", onchange: (event) => set("qpo", event.target.checked) }), "with a narrow peak"),
        this.chip, this.count, this.previous, this.next),
      h("div", { class: "scroll" }, h("table", { class: "list wide" }, h("thead", {}, this.head), this.body)),
    );
  }

  /* Select and sort anew; what is drawn at the end is the last wish. */
  async apply() {
    await this.attempt(async (isLast) => {
      const rows = await this.survey.select({ ...this.filter }, this.sort);
      if (!isLast()) return;
      this.rows = rows;
      this.page = 0;
      await this.fill(isLast);
    });
  }

  async draw() {
    await this.attempt((isLast) => this.fill(isLast));
  }

  async attempt(work) {
    this.ticket += 1;
    const ticket = this.ticket;
    this.body.setAttribute("aria-busy", "true");
    try {
      await work(() => ticket === this.ticket);
    } catch (error) {
      this.count.textContent = error.message;
    }
    if (ticket === this.ticket) this.body.removeAttribute("aria-busy");
  }

  turn(step) {
    this.page += step;
    return this.draw();
  }

  /* Show a page of the rows, with the detail of the source that is open. */
  async fill(isLast) {
    const total = this.rows.length;
    const first = this.page * PAGE_SIZE;
    const last = Math.min(total, first + PAGE_SIZE);
    const numbers = [...this.rows.slice(first, last)];
    const cells = await this.survey.rows(numbers);
    const opened = numbers.indexOf(this.open);
    const detail = opened < 0 ? null : await this.survey.detail(cells[opened]);
    if (!isLast()) return;
    this.count.textContent = total ? `${wholeNumber(first + 1)}–${wholeNumber(last)} of ${wholeNumber(total)}` : "no source";
    this.previous.disabled = first === 0;
    this.next.disabled = last >= total;
    const { range } = this.filter;
    this.chip.hidden = !range;
    if (range) this.chip.textContent = `${range.name}: ${plainNumber(range.lo, 3)} to ${plainNumber(range.hi, 3)} ✕`;
    this.head.replaceChildren(...LIST_COLUMNS.map((column) => this.heading(column)));
    this.body.replaceChildren();
    numbers.forEach((i, k) => {
      this.body.append(this.row(i, cells[k]));
      if (k === opened) this.body.append(this.detail(cells[k], detail));
    });
  }

  heading(column) {
    const { key, name } = column;
    const { unit, description } = this.data.columns[key];
    const sorted = this.sort.key === key ? (this.sort.descending ? "descending" : "ascending") : "none";
    const click = () => {
      this.sort = { key, descending: this.sort.key === key && !this.sort.descending };
      this.apply();
    };
    const enter = (event) => event.key === "Enter" && click();
    const numeric = column.errors || column.number ? "number" : null;
    return h("th", { class: numeric, scope: "col", tabindex: 0, title: description, "aria-sort": sorted, onclick: click, onkeydown: enter },
      h("span", { class: "name" }, name), h("span", { class: "unit" }, unit));
  }

  row(i, cell) {
    const toggle = async () => {
      this.open = this.open === i ? null : i;
      const place = this.open === null ? "#sources" : `#source=${encodeURIComponent(cell("source_id"))}`;
      history.replaceState(null, "", place);
      await this.draw();
      const row = this.body.querySelector(`[data-source="${i}"]`);
      if (row) row.focus({ preventScroll: true });
    };
    const enter = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    };
    const style = i === this.open ? "row open" : "row";
    return h("tr", { class: style, tabindex: 0, "data-source": i, "aria-expanded": String(i === this.open), onclick: toggle, onkeydown: enter },
      ...LIST_COLUMNS.map((column) => this.cell(column, cell)));
  }

  cell({ key, style, errors, number, limit }, cell) {
    const value = cell(key);
    if (key === "status") return h("td", {}, statusBadge(value, this.results.has(value)));
    if (errors) {
      const about = (what) => cell(`${key}_${what}`);
      const title = limitText(about("open_lo"), about("open_hi"), about("limit"), about("limit"));
      return h("td", { class: "number", title: title || null }, measuredNumber(value, about("err_lo"), about("err_hi")));
    }
    if (number) return h("td", { class: "number" }, probability(value, limit && cell(limit)));
    return h("td", { class: style || null, title: style ? value : null }, value);
  }

  detail(cell, detail) {
    return h("tr", { class: "detail" }, h("td", { colspan: LIST_COLUMNS.length }, inspector(this.data, cell, detail)));
  }

  /* Open a source by its number, on the page where it is. */
  async reveal(i) {
    this.open = i;
    this.page = Math.floor(Math.max(0, this.rows.indexOf(i)) / PAGE_SIZE);
    await this.draw();
    const row = this.body.querySelector(".open");
    if (row) row.scrollIntoView();
  }

  /* Show the sources of a status or of a bar of a histogram. */
  show(change) {
    Object.assign(this.filter, change);
    this.status.value = this.filter.status;
    this.apply();
    document.getElementById("sources").scrollIntoView({ behavior: "smooth" });
  }
}
