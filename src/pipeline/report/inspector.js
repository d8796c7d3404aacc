"use strict";

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

/* What is known of one source: `cell` gives its cells by column, `detail` is null where it is not shown. */
function inspector(data, cell, detail) {
  const left = h("div");
  const right = h("div");
  if (detail && detail.spectrum) {
    left.append(spectrumFigure(detail.spectrum, detail.grids, cell("norm"), "spectrum"));
  } else {
    left.append(h("p", { class: "note" }, noSpectrum(data, cell)));
  }
  left.append(...factTable(cell));
  if (detail) right.append(...parameterTable(detail));
  right.append(...outcome(data, cell));
  const box = h("div", { class: "inspector" }, left, right);
  if (detail) box.append(...cornerFigure(detail), ...modelTable(data, detail), ...fileTable(data, detail));
  return box;
}

function noSpectrum(data, cell) {
  if (!cell("model")) return "No model was fitted to this source, so there is no power spectrum to show.";
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

function outcome(data, cell) {
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

function factTable(cell) {
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
