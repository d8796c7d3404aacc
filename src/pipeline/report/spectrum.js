"use strict";

const DASHES = ["7 4", "2 3", "9 3 2 3", "4 2", "12 4", "1 4", "6 2 1 2 1 2", "14 3 4 3"];
const POWER_LABEL = { frac: "Power  [(rms/mean)² Hz⁻¹]", leahy: "Power  [Leahy]", abs: "Power  [(ct/s)² Hz⁻¹]" };
const FREQUENCY_POWER_LABEL = { frac: "f × Power  [(rms/mean)²]", leahy: "f × Power  [Leahy × Hz]", abs: "f × Power  [(ct/s)²]" };

function decodeFloats(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/* Arrays of an embedded power spectrum: edges, power, error, components, and their sum. */
function decodeSpectrum(embedded, grids) {
  const [lo, hi] = grids[embedded.grid].map(decodeFloats);
  const n = lo.length;
  const flat = decodeFloats(embedded.parts);
  const parts = embedded.components.map((name, i) => ({ name, power: flat.subarray(i * n, (i + 1) * n) }));
  const total = Float64Array.from(lo, (_, k) => parts.reduce((sum, part) => sum + part.power[k], 0));
  const centre = Float64Array.from(lo, (edge, k) => (edge > 0 ? Math.sqrt(edge * hi[k]) : hi[k] / 2));
  return { lo, hi, centre, power: decodeFloats(embedded.power), error: decodeFloats(embedded.error), parts, total };
}

/* (data - model) / sigma with sigma = model / sqrt(n): the model's variance, not the data's. */
function residuals({ power, error, total }) {
  return Float64Array.from(power, (p, k) => {
    const sigma = p > 0 ? (total[k] * error[k]) / p : error[k];
    return (p - total[k]) / sigma;
  });
}

function linePath(xs, ys, x, y) {
  let path = "";
  let pen = "M";
  for (let k = 0; k < xs.length; k += 1) {
    if (!(ys[k] > 0 || !y.log)) {
      pen = "M";
      continue;
    }
    path += `${pen}${x(xs[k]).toFixed(2)},${y(ys[k]).toFixed(2)}`;
    pen = "L";
  }
  return path;
}

/* A cross a bin: its width and its error; what lies below the axis is cut off. */
function crossPath(spectrum, values, errors, x, y) {
  const floor = y.domain[0];
  let path = "";
  for (let k = 0; k < values.length; k += 1) {
    const [low, high] = [values[k] - errors[k], values[k] + errors[k]];
    if (!(high > floor || !y.log)) continue;
    const left = x(Math.max(spectrum.lo[k], x.domain[0]));
    const bottom = y(y.log ? Math.max(low, floor) : low);
    if (!y.log || values[k] > floor) path += `M${left.toFixed(2)},${y(values[k]).toFixed(2)}H${x(spectrum.hi[k]).toFixed(2)}`;
    path += `M${x(spectrum.centre[k]).toFixed(2)},${bottom.toFixed(2)}V${y(high).toFixed(2)}`;
  }
  return path;
}

function powerRange(spectrum, weight) {
  const values = [];
  spectrum.power.forEach((p, k) => {
    if (p > 0) values.push(p * weight[k], (p + spectrum.error[k]) * weight[k]);
    values.push(spectrum.total[k] * weight[k]);
  });
  const [lo, hi] = paddedDomain(values, true, 0.06);
  return [lo / 1.6, hi];
}

/* The power spectrum with its model and components, and the residuals on the same frequencies. */
function spectrumPlot(spectrum, norm, timesFrequency, id) {
  const upper = { left: 74, right: 770, top: 10, bottom: 345 };
  const lower = { ...upper, top: 357, bottom: 465 };
  const weight = Float64Array.from(spectrum.centre, (f) => (timesFrequency ? f : 1));
  const weighted = (values) => Float64Array.from(values, (value, k) => value * weight[k]);
  const first = spectrum.lo[0] > 0 ? spectrum.lo[0] : spectrum.centre[0] / 1.5;
  const x = makeScale(true, [first, spectrum.hi[spectrum.hi.length - 1]], [upper.left, upper.right]);
  const y = makeScale(true, powerRange(spectrum, weight), [upper.bottom, upper.top]);
  const sigmas = residuals(spectrum);
  const reach = 1.15 * Math.max(3.5, ...sigmas.map((r) => (Number.isFinite(r) ? Math.min(Math.abs(r), 12) : 0)));
  const z = makeScale(false, [-reach, reach], [lower.bottom, lower.top]);
  z.ticks = linearTicks(z.domain, 5);
  const ones = new Float64Array(sigmas.length).fill(1);
  const labels = timesFrequency ? FREQUENCY_POWER_LABEL : POWER_LABEL;
  const curves = s("g", { "clip-path": `url(#${id}-upper)` });
  curves.append(s("path", { class: "data", d: crossPath(spectrum, weighted(spectrum.power), weighted(spectrum.error), x, y) }));
  spectrum.parts.forEach((part, i) => {
    const style = { class: "part", stroke: `var(--c${i % DASHES.length})`, "stroke-dasharray": DASHES[i % DASHES.length] };
    curves.append(s("path", { ...style, d: linePath(spectrum.centre, weighted(part.power), x, y) }));
  });
  curves.append(s("path", { class: "total", d: linePath(spectrum.centre, weighted(spectrum.total), x, y) }));
  return s(
    "svg",
    { viewBox: "0 0 780 508", role: "img", "aria-label": "Power spectrum, model and residuals" },
    clipTo(upper, `${id}-upper`),
    clipTo(lower, `${id}-lower`),
    frame(upper, x, y, { yLabel: labels[norm] || "Power", xTicks: false }),
    curves,
    frame(lower, x, z, { xLabel: "Frequency  [Hz]", yLabel: "Residual  [σ]" }),
    s(
      "g",
      { "clip-path": `url(#${id}-lower)` },
      s("path", { class: "data", d: crossPath(spectrum, sigmas, ones, x, z) }),
      s("path", { class: "zero", d: `M${lower.left},${z(0)}H${lower.right}` }),
    ),
  );
}

function spectrumLegend(spectrum) {
  const sample = (attributes) => s("svg", { viewBox: "0 0 28 8" }, s("path", { d: "M0,4H28", ...attributes }));
  const entries = spectrum.parts.map((part, i) =>
    h("span", {}, sample({ class: "part", stroke: `var(--c${i % DASHES.length})`, "stroke-dasharray": DASHES[i % DASHES.length] }), part.name),
  );
  return h("div", { class: "legend" }, h("span", {}, sample({ class: "data" }), "data"), h("span", {}, sample({ class: "total" }), "model"), ...entries);
}

/* Plot with its legend and the switch between P and f P. */
function spectrumFigure(embedded, grids, norm, id) {
  const spectrum = decodeSpectrum(embedded, grids);
  const place = h("div");
  const draw = (timesFrequency) => place.replaceChildren(spectrumPlot(spectrum, norm, timesFrequency, id));
  const box = h("input", { type: "checkbox", onchange: (event) => draw(event.target.checked) });
  draw(false);
  const legend = spectrumLegend(spectrum);
  legend.append(h("label", { class: "toggle" }, box, "f × P"));
  return h("figure", {}, legend, place);
}
