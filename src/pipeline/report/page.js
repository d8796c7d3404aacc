"use strict";

const QUANTITY_NAMES = {
  slope: "Slope",
  bend_frequency: "Bend frequency",
  qpo_frequency: "QPO frequency",
  qpo_fwhm: "QPO width (FWHM)",
  qpo_rms: "QPO fractional rms",
};
const REJECTED_PAGE = 200;

function drawSummary(data) {
  const fitted = data.statuses.reduce((sum, { result, count }) => sum + (result ? count : 0), 0);
  const count = (n, word) => `${wholeNumber(n)} ${word}${n === 1 ? "" : "s"}`;
  document.getElementById("summary").append(
    `${count(data.n_files, "file")}, ${count(data.n_sources, "source")}, ${wholeNumber(fitted)} with a result, ` +
      `${data.qpos}. Catalogue of ${data.finished.replace("T", " ").replace("+00:00", " UTC")}, pipeline ${data.version}, from the archive `,
    h("code", {}, data.archive),
    ".",
  );
  if (data.n_details < fitted) {
    document.getElementById("summary").append(
      ` Only the first ${wholeNumber(data.n_details)} sources with a result have their power spectrum in this page (report.max_spectra).`,
    );
  }
}

function drawStatuses(data, table) {
  const most = Math.max(1, ...data.statuses.map(({ count }) => count));
  const place = document.querySelector(".statuses");
  for (const { status, sentence, result, count } of data.statuses) {
    const bar = h("i");
    bar.style.width = `${(82 * count) / most}%`;
    place.append(
      h("button", { onclick: () => table.show({ status }) }, status.replaceAll("_", " ")),
      h("div", { class: result ? "bar" : "bar bad" }, bar, wholeNumber(count)),
      h("div", { class: "sentence" }, sentence),
    );
  }
}

function drawDistributions(data, table) {
  const place = document.querySelector("#distributions .panels");
  for (const entry of HISTOGRAMS) {
    const unit = data.columns[entry.column] ? data.columns[entry.column].unit : "";
    place.append(histogram(entry, data.sources[entry.column], unit, (range) => table.show({ range })));
  }
}

/* Deviance over degrees of freedom is not a column of the catalogue. */
function addReducedDeviance(sources) {
  sources.reduced_deviance = sources.deviance.map((deviance, i) => {
    const freedom = sources.n_bins[i] - sources.n_free[i];
    return deviance === null || freedom <= 0 ? null : deviance / freedom;
  });
}

function drawRejected(data) {
  const place = document.getElementById("rejected");
  if (!data.n_rejected) {
    place.append(h("p", {}, "None: every file of the archive was used or set aside."));
    return;
  }
  const cells = ([file, source, stage, status, reason]) => [
    h("span", { class: "mono" }, file), source, stage, statusBadge(status, false), reason,
  ];
  const box = h("div");
  const more = h("button", { onclick: () => show(data.rejected.length) }, "Show all");
  const show = (limit) => {
    box.replaceChildren(simpleTable(["file", "source", "stage", "status", "reason"], data.rejected.slice(0, limit).map(cells)));
    more.hidden = limit >= data.rejected.length;
  };
  show(REJECTED_PAGE);
  place.append(box, more);
  if (data.n_rejected > data.rejected.length) {
    place.append(h("p", { class: "note" }, `${wholeNumber(data.n_rejected)} in all; the rest are in rejected.parquet.`));
  }
}

/* Injected against recovered. */

function truthScatter(quantity, points, unit) {
  const log = quantity !== "slope";
  const shown = points.filter((point) => point.recovered !== null);
  const ends = shown.flatMap((p) => [p.injected, p.recovered, p.recovered - (p.lo || 0), p.recovered + (p.hi || 0)]);
  const domain = paddedDomain(ends, log, 0.05);
  const box = { left: 66, right: 394, top: 8, bottom: 298 };
  const x = makeScale(log, domain, [box.left, box.right]);
  const y = makeScale(log, domain, [box.bottom, box.top]);
  const label = (word) => [word, unit && `[${unit}]`].filter(Boolean).join("  ");
  const id = `truth-${quantity}`;
  const marks = s("g", { "clip-path": `url(#${id})` }, s("path", { class: "reference", d: `M${box.left},${box.bottom}L${box.right},${box.top}` }));
  for (const p of shown) {
    const outside = p.pull === null || Math.abs(p.pull) > 3 ? " outside" : "";
    const low = p.recovered - (p.lo || 0);
    const ends = [log && low <= 0 ? box.bottom : y(low), y(p.recovered + (p.hi || 0))];
    const pull = p.pull === null ? "no error" : `${plainNumber(p.pull, 2)} errors`;
    const title = `${p.object}: injected ${plainNumber(p.injected)}, recovered ${plainNumber(p.recovered)} (${pull})`;
    marks.append(
      s("path", { class: `whisker${outside}`, d: `M${x(p.injected)},${ends[0]}V${ends[1]}` }),
      s("circle", { class: `point${outside}`, cx: x(p.injected), cy: y(p.recovered), r: 3.6 }, s("title", {}, title)),
    );
  }
  const axes = frame(box, x, y, { xLabel: label("injected"), yLabel: label("recovered") });
  return s("svg", { viewBox: "0 0 400 340", role: "img", "aria-label": QUANTITY_NAMES[quantity] }, clipTo(box, id), axes, marks);
}

function pullHistogram(points) {
  const pulls = points.map((point) => point.pull).filter((pull) => pull !== null);
  const box = { left: 66, right: 394, top: 8, bottom: 118 };
  const domain = [-5, 5];
  const bins = binned(pulls.map((pull) => Math.max(-5, Math.min(5, pull))), domain, false, 20);
  const normal = (t) => (pulls.length * 0.5 * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI);
  const x = makeScale(false, domain, [box.left, box.right]);
  const y = makeScale(false, [0, 1.1 * Math.max(1, normal(0), ...bins.map((bin) => bin.count))], [box.bottom, box.top]);
  y.ticks = linearTicks(y.domain, 3).filter((tick) => Number.isInteger(tick.value));
  const picture = s("svg", { viewBox: "0 0 400 160", role: "img", "aria-label": "Pulls" });
  picture.append(frame(box, x, y, { xLabel: "(recovered − injected) / error" }));
  for (const { count, lo, hi } of bins.filter((bin) => bin.count)) {
    const size = { x: x(lo) + 0.5, width: x(hi) - x(lo) - 1, y: y(count), height: box.bottom - y(count) };
    const ends = { "-5": " or less", 4.5: " or more" }[lo] || "";
    picture.append(s("rect", { class: "bin", ...size }, s("title", {}, `${lo} to ${hi}${ends}: ${count}`)));
  }
  const steps = Array.from({ length: 101 }, (_, k) => -5 + k / 10);
  picture.append(s("path", { class: "reference", d: linePath(steps, steps.map(normal), x, y) }));
  return picture;
}

function truthPanel(quantity, points, unit) {
  if (points.every((point) => point.recovered === null)) return [h("p", { class: "note" }, "None was recovered.")];
  return [truthScatter(quantity, points, unit), pullHistogram(points)];
}

function drawTruth(data) {
  if (!data.truth) return;
  const place = document.getElementById("truth");
  place.hidden = false;
  document.querySelector('nav a[href="#truth"]').hidden = false;
  const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
  const rows = data.truth.summary.map((row) => [
    QUANTITY_NAMES[row.quantity], row.injected, row.unknowable || "", row.recovered, percent(row.within_1), percent(row.within_3),
    row.median_pull === null ? "" : minus(row.median_pull.toFixed(2)),
  ]);
  const panels = h("div", { class: "panels" });
  for (const { quantity } of data.truth.summary) {
    const points = data.truth.points
      .filter((point) => point[2] === quantity)
      .map(([object, source, , injected, recovered, lo, hi, pull]) => ({ object, source, injected, recovered, lo, hi, pull }));
    panels.append(h("figure", {}, h("figcaption", {}, h("b", {}, QUANTITY_NAMES[quantity])),
      ...truthPanel(quantity, points, data.columns[quantity].unit)));
  }
  const wrong = data.truth.false_qpos;
  place.append(
    h("p", {}, "The archive is simulated. Fractions are of all that was injected and can be known (an rms cannot without a mean rate): a value that was missed counts against them. ",
      wrong.length ? `A QPO was found where none was injected in ${wrong.length}: ${wrong.join(", ")}.` : "No QPO was found where none was injected."),
    simpleTable(["quantity", "injected", "cannot be known", "recovered", "within 1 error", "within 3 errors", "median pull"], rows, [1, 2, 3, 4, 5, 6]),
    h("p", { class: "note" }, "Dashed: equality, and the normal distribution. Orange: more than three errors away, or without an error."),
    panels,
  );
}

function main() {
  const data = JSON.parse(document.getElementById("data").textContent);
  addReducedDeviance(data.sources);
  data.columns.reduced_deviance = { unit: "", description: "Deviance over degrees of freedom." };
  const table = new SourceTable(data, document.getElementById("sources"));
  drawSummary(data);
  drawStatuses(data, table);
  drawTruth(data);
  drawDistributions(data, table);
  drawRejected(data);
  openFromAddress(data, table);
  window.addEventListener("hashchange", () => openFromAddress(data, table));
}

/* index.html#source=NAME opens that source. */
function openFromAddress(data, table) {
  const match = /^#source=(.+)$/.exec(location.hash);
  let name = "";
  try {
    name = match ? decodeURIComponent(match[1]) : "";
  } catch {
    return; // not an encoded name
  }
  const i = name ? data.sources.source_id.indexOf(name) : -1;
  if (i < 0 || i === table.open) return;
  table.open = i;
  table.page = Math.floor(table.rows.indexOf(i) / PAGE_SIZE);
  table.draw();
  table.body.querySelector(".open").scrollIntoView();
}

main();
