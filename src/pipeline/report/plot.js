"use strict";

/* Elements. Text is always a text node: names in the data may look like HTML. */

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/* Scales from data to pixels. */

function makeScale(log, domain, range) {
  const forward = log ? Math.log10 : (x) => x;
  const inverse = log ? (x) => 10 ** x : (x) => x;
  const [a, b] = domain.map(forward);
  const slope = (range[1] - range[0]) / (b - a);
  const scale = (x) => range[0] + (forward(x) - a) * slope;
  scale.log = log;
  scale.domain = domain;
  scale.range = range;
  scale.inverse = (y) => inverse(a + (y - range[0]) / slope);
  scale.ticks = log ? logTicks(domain) : linearTicks(domain);
  return scale;
}

function linearTicks([lo, hi], target = 6) {
  const rough = (hi - lo) / target;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const ticks = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + 1e-9 * step; k += 1) {
    ticks.push({ value: k * step, label: plainNumber(k * step) });
  }
  return ticks;
}

function logTicks([lo, hi]) {
  const [first, last] = [Math.floor(Math.log10(lo)), Math.ceil(Math.log10(hi))];
  const decades = Math.log10(hi / lo);
  if (decades < 0.6) return linearTicks([lo, hi], 5);
  const every = Math.max(1, Math.ceil(decades / 8));
  const labelled = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.5 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let k = first; k <= last; k += 1) {
    for (let m = 1; m < 10; m += 1) {
      const value = m * 10 ** k;
      if (value < lo * (1 - 1e-9) || value > hi * (1 + 1e-9)) continue;
      const named = labelled.includes(m) && (m > 1 || k % every === 0);
      ticks.push({ value, label: named ? plainNumber(value) : "", minor: m > 1 });
    }
  }
  return ticks;
}

/* A domain a little wider than the values; never of no width. */
function paddedDomain(values, log, padding = 0.04) {
  const forward = log ? Math.log10 : (x) => x;
  const inverse = log ? (x) => 10 ** x : (x) => x;
  let [lo, hi] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    lo = Math.min(lo, forward(value));
    hi = Math.max(hi, forward(value));
  }
  if (lo > hi) return log ? [0.1, 10] : [0, 1];
  if (hi - lo < 1e-9 * Math.max(1, Math.abs(hi))) {
    lo -= log ? 0.3 : 0.5;
    hi += log ? 0.3 : 0.5;
  }
  const margin = (hi - lo) * padding;
  return [inverse(lo - margin), inverse(hi + margin)];
}

/* Frame with axes: ticks, grid lines, labels. */

function frame(box, x, y, { xLabel = "", yLabel = "", xTicks = true } = {}) {
  const group = s("g");
  const { left, right, top, bottom } = box;
  for (const tick of x.ticks) {
    const at = x(tick.value);
    if (tick.label) group.append(s("path", { class: "grid", d: `M${at},${top}V${bottom}` }));
    group.append(s("path", { class: "axis", d: `M${at},${bottom}v${tick.minor ? -3 : -6}` }));
    if (xTicks && tick.label) group.append(textAt(at, bottom + 16, tick.label, "middle"));
  }
  for (const tick of y.ticks) {
    const at = y(tick.value);
    if (tick.label) group.append(s("path", { class: "grid", d: `M${left},${at}H${right}` }));
    group.append(s("path", { class: "axis", d: `M${left},${at}h${tick.minor ? 3 : 6}` }));
    if (tick.label) group.append(textAt(left - 7, at + 4, tick.label, "end"));
  }
  group.append(s("path", { class: "axis", d: `M${left},${top}H${right}V${bottom}H${left}Z` }));
  if (xLabel) group.append(textAt((left + right) / 2, bottom + 36, xLabel, "middle", "label"));
  if (yLabel) {
    const [cx, cy] = [left - 52, (top + bottom) / 2];
    const label = textAt(cx, cy, yLabel, "middle", "label");
    label.setAttribute("transform", `rotate(-90 ${cx} ${cy})`);
    group.append(label);
  }
  return group;
}

function textAt(x, y, text, anchor, style = null) {
  return s("text", { x, y, "text-anchor": anchor, class: style }, text);
}

function clipTo(box, id) {
  const { left, right, top, bottom } = box;
  const size = { x: left, y: top, width: right - left, height: bottom - top };
  return s("clipPath", { id }, s("rect", size));
}
