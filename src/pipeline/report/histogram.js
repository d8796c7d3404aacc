"use strict";

const HISTOGRAMS = [
  { name: "Slope of the power law", column: "slope" },
  { name: "QPO frequency", column: "qpo_frequency", log: true },
  { name: "QPO quality factor", column: "qpo_q", log: true },
  { name: "QPO fractional rms", column: "qpo_rms", log: true },
  { name: "Bend frequency", column: "bend_frequency", log: true },
  { name: "Fractional rms", column: "rms", log: true },
  { name: "Mean rate", column: "mean_rate", log: true },
  { name: "ΔBIC to the runner-up", column: "delta_bic", log: true },
  { name: "Deviance / degrees of freedom", column: "reduced_deviance", log: true },
];

/* Counts of values in bins of equal width on the axis; the last bin holds its upper edge. */
function binned(values, domain, log, bins) {
  const scale = makeScale(log, domain, [0, bins]);
  const counts = new Array(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor(scale(value)))] += 1;
  return counts.map((count, i) => ({ count, lo: scale.inverse(i), hi: scale.inverse(i + 1) }));
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function histogram({ name, column, log }, values, unit, onPick) {
  const kept = values.filter((value) => value !== null && (!log || value > 0));
  const caption = h("figcaption", {}, h("b", {}, name));
  if (!kept.length) {
    caption.append(h("span", { class: "note" }, "no values"));
    return h("figure", {}, caption);
  }
  const leftOut = values.filter((value) => value !== null).length - kept.length;
  caption.append(
    h("span", { class: "note" }, `${wholeNumber(kept.length)}, median ${plainNumber(median(kept), 3)}`),
  );
  const box = { left: 40, right: 392, top: 8, bottom: 170 };
  const domain = paddedDomain(kept, log, 0.001);
  const bins = binned(kept, domain, log, Math.max(8, Math.min(36, Math.ceil(2 * Math.sqrt(kept.length)))));
  const x = makeScale(log, domain, [box.left, box.right]);
  const y = makeScale(false, [0, 1.08 * Math.max(...bins.map((bin) => bin.count))], [box.bottom, box.top]);
  y.ticks = y.ticks.filter((tick) => Number.isInteger(tick.value));
  const label = [unit, leftOut ? `${leftOut} not positive` : ""].filter(Boolean).join("; ");
  const picture = s("svg", { viewBox: "0 0 400 212", role: "img", "aria-label": name });
  picture.append(frame(box, x, y, { xLabel: label }));
  for (const bin of bins.filter(({ count }) => count)) {
    const [a, b] = [x(bin.lo), x(bin.hi)];
    const size = { x: a + 0.5, width: Math.max(1, b - a - 1), y: y(bin.count), height: box.bottom - y(bin.count) };
    const title = `${plainNumber(bin.lo, 3)} to ${plainNumber(bin.hi, 3)} ${unit}: ${bin.count}`;
    const pick = () => onPick({ column, name, lo: bin.lo, hi: bin.hi });
    picture.append(s("rect", { class: "bin", ...size, onclick: pick }, s("title", {}, title)));
  }
  return h("figure", {}, caption, picture);
}
