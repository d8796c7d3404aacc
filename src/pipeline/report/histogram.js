"use strict";

/* A histogram whose bins were counted before; a click on a bar picks its range. */
function histogram({ name, column, log, n, left_out: leftOut, median, edges, counts }, unit, onPick) {
  const caption = h("figcaption", {}, h("b", {}, name));
  if (!n) {
    caption.append(h("span", { class: "note" }, "no values"));
    return h("figure", {}, caption);
  }
  caption.append(h("span", { class: "note" }, `${wholeNumber(n)}, median ${plainNumber(median, 3)}`));
  const box = { left: 40, right: 392, top: 8, bottom: 170 };
  const domain = [edges[0], edges[edges.length - 1]];
  const bins = counts.map((count, k) => ({ count, lo: edges[k], hi: edges[k + 1] }));
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
