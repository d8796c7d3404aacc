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
const SEARCHED = ["source_id", "object", "mission", "instrument", "observation_id", "product", "model", "kind", "reason"];

/* The table of sources: filter, sort, pages, and the power spectrum of the one that is open. */
class SourceTable {
  constructor(data, place) {
    this.data = data;
    this.columns = data.sources;
    this.results = new Set(data.statuses.filter((entry) => entry.result).map((entry) => entry.status));
    this.text = Array.from({ length: data.n_sources }, (_, i) =>
      SEARCHED.map((name) => this.columns[name][i]).join("\n").toLowerCase(),
    );
    this.filter = { words: "", status: "", qpo: false, range: null };
    this.sort = { key: "source_id", descending: false };
    this.page = 0;
    this.open = null;
    this.build(place);
    this.apply();
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

  passes(i) {
    const { words, status, qpo, range } = this.filter;
    if (status && this.columns.status[i] !== status) return false;
    if (qpo && this.columns.qpo_frequency[i] === null) return false;
    if (range) {
      const value = this.columns[range.column][i];
      if (value === null || value < range.lo || value > range.hi) return false;
    }
    return words.split(/\s+/).every((word) => this.text[i].includes(word));
  }

  apply() {
    const values = this.columns[this.sort.key];
    const sign = this.sort.descending ? -1 : 1;
    const missing = (value) => value === null || value === "";
    this.rows = [];
    for (let i = 0; i < this.data.n_sources; i += 1) if (this.passes(i)) this.rows.push(i);
    this.rows.sort((i, j) => {
      const [a, b] = [values[i], values[j]];
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
      return (a < b ? -sign : a > b ? sign : 0) || i - j;
    });
    this.page = 0;
    this.draw();
  }

  turn(step) {
    this.page += step;
    this.draw();
  }

  draw() {
    const total = this.rows.length;
    const first = this.page * PAGE_SIZE;
    const last = Math.min(total, first + PAGE_SIZE);
    this.count.textContent = total ? `${wholeNumber(first + 1)}–${wholeNumber(last)} of ${wholeNumber(total)}` : "no source";
    this.previous.disabled = first === 0;
    this.next.disabled = last >= total;
    const { range } = this.filter;
    this.chip.hidden = !range;
    if (range) this.chip.textContent = `${range.name}: ${plainNumber(range.lo, 3)} to ${plainNumber(range.hi, 3)} ✕`;
    this.head.replaceChildren(...LIST_COLUMNS.map((column) => this.heading(column)));
    this.body.replaceChildren();
    for (const i of this.rows.slice(first, last)) {
      this.body.append(this.row(i));
      if (i === this.open) this.body.append(this.detail(i));
    }
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

  row(i) {
    const toggle = () => {
      this.open = this.open === i ? null : i;
      const place = this.open === null ? "#sources" : `#source=${encodeURIComponent(this.columns.source_id[i])}`;
      history.replaceState(null, "", place);
      this.draw();
      this.body.querySelector(`[data-source="${i}"]`).focus({ preventScroll: true });
    };
    const enter = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    };
    const style = i === this.open ? "row open" : "row";
    return h("tr", { class: style, tabindex: 0, "data-source": i, "aria-expanded": String(i === this.open), onclick: toggle, onkeydown: enter },
      ...LIST_COLUMNS.map((column) => this.cell(column, i)));
  }

  cell({ key, style, errors, number, limit }, i) {
    const value = this.columns[key][i];
    if (key === "status") return h("td", {}, statusBadge(value, this.results.has(value)));
    if (errors) {
      const about = (what) => (this.columns[`${key}_${what}`] || [])[i];
      const title = limitText(about("open_lo"), about("open_hi"), about("limit"), about("limit"));
      return h("td", { class: "number", title: title || null }, measuredNumber(value, about("err_lo"), about("err_hi")));
    }
    if (number) return h("td", { class: "number" }, probability(value, limit && this.columns[limit][i]));
    return h("td", { class: style || null, title: style ? value : null }, value);
  }

  detail(i) {
    return h("tr", { class: "detail" }, h("td", { colspan: LIST_COLUMNS.length }, inspector(this.data, i)));
  }

  /* Show the sources of a status or of a bar of a histogram. */
  show(change) {
    Object.assign(this.filter, change);
    this.status.value = this.filter.status;
    this.apply();
    document.getElementById("sources").scrollIntoView({ behavior: "smooth" });
  }
}

/* What is known where an interval has no end. */
function limitText(openLo, openHi, upper, lower) {
  if (openLo && openHi) return "interval open on both sides";
  if (openLo && upper !== null) return `upper limit ${plainNumber(upper)}`;
  if (openHi && lower !== null) return `lower limit ${plainNumber(lower)}`;
  return "";
}

function statusBadge(status, result) {
  return h("span", { class: result ? "badge" : "badge bad" }, status.replaceAll("_", " "));
}

/* What is known of one source. */
function inspector(data, i) {
  const detail = data.details[i];
  const left = h("div");
  const right = h("div");
  if (detail && detail.spectrum) {
    left.append(spectrumFigure(detail.spectrum, data.grids, data.sources.norm[i], "spectrum"));
  } else {
    left.append(h("p", { class: "note" }, noSpectrum(data, i)));
  }
  left.append(...factTable(data, i));
  if (detail) right.append(...parameterTable(detail));
  right.append(...outcome(data, i));
  const box = h("div", { class: "inspector" }, left, right);
  if (detail) box.append(...cornerFigure(detail), ...modelTable(data, detail), ...fileTable(data, detail));
  return box;
}

function noSpectrum(data, i) {
  if (!data.sources.model[i]) return "No model was fitted to this source, so there is no power spectrum to show.";
  return `This page holds ${wholeNumber(data.n_details)} power spectra (report.max_spectra); this one is not among them.`;
}

function simpleTable(heads, rows, numeric = []) {
  const style = (k) => ({ class: numeric.includes(k) ? "number" : null });
  return h("div", { class: "scroll" }, h("table", { class: "wide" },
    h("thead", {}, h("tr", {}, ...heads.map((head, k) => h("th", style(k), head)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell, k) => h("td", style(k), cell)))))));
}

function parameterTable(detail) {
  const rows = detail.parameters.map(([component, parameter, value, lo, hi, unit, free, bound, derived, ...open]) => {
    const known = [bound ? "at bound" : "", limitText(...open)].filter(Boolean).join(", ");
    const fixed = !known && !free && !derived && lo === null && hi === null ? "fixed" : "";
    const note = known || fixed ? ` (${known || fixed})` : "";
    return [component, parameter, h("span", {}, measuredNumber(value, lo, hi), note), unit];
  });
  return [h("h3", {}, "Parameters"), simpleTable(["component", "parameter", "value", "unit"], rows, [2])];
}

function cornerFigure(detail) {
  if (!detail.corner) return [];
  const text = "Draws from the posterior of the free parameters; lines: best fit and 68.3 % interval of the catalogue.";
  return [h("figure", { class: "full corner" }, h("h3", {}, "Posterior"),
    h("img", { src: detail.corner, alt: text }), h("figcaption", { class: "note" }, text))];
}

function outcome(data, i) {
  const cell = (name) => data.sources[name][i];
  const { sentence, result } = data.statuses.find((entry) => entry.status === cell("status"));
  const flags = data.flags.filter(({ bit }) => Math.floor(cell("flags") / bit) % 2); // & has 32 bits
  const parts = [h("h3", {}, "Status"), h("p", {}, statusBadge(cell("status"), result), " ", sentence)];
  if (cell("reason") && cell("reason") !== sentence) parts.push(h("p", {}, cell("reason")));
  if (flags.length) {
    parts.push(h("h3", {}, "Caveats"), h("ul", { class: "flags" }, ...flags.map((flag) => h("li", {}, ...withCode(flag.sentence)))));
  }
  return parts;
}

/* Words in back-ticks are names of options and columns. */
function withCode(sentence) {
  return sentence.split("`").map((part, k) => (k % 2 ? h("code", {}, part) : part));
}

function factTable(data, i) {
  const cell = (name) => data.sources[name][i];
  const number = (name, unit) => (cell(name) === null ? "" : `${plainNumber(cell(name))} ${unit}`);
  const variance = cell("excess_variance") === null ? ""
    : measuredNumber(cell("excess_variance"), cell("excess_variance_err"), cell("excess_variance_err"));
  const facts = [
    ["Object", cell("object")],
    ["Product", cell("product")],
    ["Start", number("mjd_start", "MJD")],
    ["Segments averaged", cell("m") ? wholeNumber(cell("m")) : ""],
    ["Length of a segment", number("segment_size", "s")],
    ["Normalised excess variance", variance],
  ];
  return [h("h3", {}, "Data"), simpleTable([], facts.filter(([, value]) => value !== ""))];
}

function modelTable(data, detail) {
  const rows = detail.models.map(([model, best, status, reason, free, deviance, aic, bic, delta, odds, peak, fit, outlier, pOutlier, ...methods]) => [
    best ? h("b", {}, `${model} (chosen)`) : model,
    h("span", { title: reason }, status),
    free, plainNumber(deviance), plainNumber(aic, 6), plainNumber(bic, 6), plainNumber(delta), plainNumber(odds),
    probability(peak, methods[0] === "below"), probability(fit, methods[1] === "below"),
    plainNumber(outlier), probability(pOutlier, methods[2] === "below"),
  ]);
  const heads = ["model", "status", "free", "deviance", "AIC", "BIC", "ΔBIC", "probability", "p (one more peak)",
    "p (fit)", "outlier / Hz", "p (outlier)"];
  return [h("div", { class: "full" }, h("h3", {}, "Models compared"), simpleTable(heads, rows, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))];
}

function fileTable(data, detail) {
  const rows = detail.files.map(([file, observation, kind, exposure, status, reason]) => [
    h("span", { class: "mono" }, file), observation, kind, plainNumber(exposure), status, reason,
  ]);
  const more = detail.n_files - detail.files.length;
  const box = h("div", { class: "full" }, h("h3", {}, "Files"),
    simpleTable(["file", "observation", "kind", "exposure / s", "status", "reason"], rows, [3]));
  if (more) box.append(h("p", { class: "note" }, `and ${wholeNumber(more)} more`));
  return [box];
}
