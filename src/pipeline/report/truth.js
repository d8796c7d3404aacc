"use strict";

const QUANTITY_NAMES = {
  slope: "Slope",
  bend_frequency: "Bend frequency",
  qpo_frequency: "QPO frequency",
  qpo_fwhm: "QPO width (FWHM)",
  qpo_rms: "QPO fractional rms",
};

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

/* Counts of pulls in equal bins from -5 to 5; the bins at the ends hold what is beyond. */
function pullHistogram(counts) {
  const number = counts.reduce((sum, count) => sum + count, 0);
  const box = { left: 66, right: 394, top: 8, bottom: 118 };
  const domain = [-5, 5];
  const bins = counts.map((count, k) => ({ count, lo: -5 + k / 2, hi: -4.5 + k / 2 }));
  const normal = (t) => (number * 0.5 * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI);
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

function truthPanel({ quantity, pulls }, points, unit) {
  if (points.every((point) => point.recovered === null)) return [h("p", { class: "note" }, "None was recovered.")];
  return [truthScatter(quantity, points, unit), pullHistogram(pulls)];
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
  for (const row of data.truth.summary) {
    const { quantity, injected: number } = row;
    const points = data.truth.points[quantity]
      .map(([object, source, injected, recovered, lo, hi, pull]) => ({ object, source, injected, recovered, lo, hi, pull }));
    const some = points.length < number ? `${wholeNumber(points.length)} of ${wholeNumber(number)} are drawn` : "";
    panels.append(h("figure", {}, h("figcaption", {}, h("b", {}, QUANTITY_NAMES[quantity]), h("span", { class: "note" }, some)),
      ...truthPanel(row, points, data.columns[quantity].unit)));
  }
  const wrong = data.truth.false_qpos;
  place.append(
    h("p", {}, "The archive is simulated. Fractions are of all that was injected and can be known (an rms cannot without a mean rate): a value that was missed counts against them. ",
      wrong.length ? `A QPO was found where none was injected in ${wrong.length}: ${wrong.slice(0, 100).join(", ")}${wrong.length > 100 ? ", …" : ""}.` : "No QPO was found where none was injected."),
    simpleTable(["quantity", "injected", "cannot be known", "recovered", "within 1 error", "within 3 errors", "median pull"], rows, [1, 2, 3, 4, 5, 6]),
    h("p", { class: "note" }, "Dashed: equality, and the normal distribution. Orange: more than three errors away, or without an error."),
    panels,
  );
}
