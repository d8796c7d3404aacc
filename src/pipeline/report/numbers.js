"use strict";

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function superscript(number) {
  return [...String(number)].map((digit) => SUPERSCRIPTS[digit]).join("");
}

function minus(text) {
  return text.replace("-", "−");
}

function exponentOf(value) {
  return value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)) + 1e-12);
}

/* A number of an axis or of a table without an error: four digits at most. */
function plainNumber(value, digits = 4) {
  if (value === null || !Number.isFinite(value)) return "";
  const exponent = exponentOf(value);
  if (value !== 0 && (exponent < -3 || exponent > 5)) {
    const mantissa = Number((value / 10 ** exponent).toPrecision(Math.min(digits, 3)));
    const power = `10${superscript(exponent)}`;
    if (Math.abs(mantissa) === 1) return (mantissa < 0 ? "−" : "") + power;
    return `${minus(String(mantissa))}×${power}`;
  }
  return minus(String(Number(value.toPrecision(Math.max(digits, exponent + 1)))));
}

/* A probability, with "<" where it is a limit: no simulation came near. */
function probability(value, isLimit) {
  const text = plainNumber(value);
  return text && isLimit ? `< ${text}` : text;
}

/* A value with its errors, two digits of the smaller error: a ± e, or the two errors stacked; null: open. */
function measuredNumber(value, lo, hi) {
  if (value === null) return document.createTextNode("");
  const errors = [lo, hi].filter((error) => error !== null && error > 0);
  if (!errors.length) return document.createTextNode(plainNumber(value));
  const signed = (sign, error) => (error === "open" ? error : `${sign}${error}`);
  const stack = (low, high) =>
    h("span", { class: "error" }, h("span", {}, signed("+", high)), h("span", {}, signed("−", low)));
  if (Math.max(...errors) > 100 * Math.min(...errors)) {
    const own = (error) => (error === null ? "open" : plainNumber(error, 2)); // no power of ten suits both
    return h("span", {}, plainNumber(value, 3), stack(own(lo), own(hi)));
  }
  const top = exponentOf(Math.max(Math.abs(value), ...errors));
  const shift = top < -3 || top > 5 ? top : 0;
  const decimals = Math.min(12, Math.max(0, 1 - exponentOf(Math.min(...errors)) + shift));
  const text = (number) =>
    number === null ? "open" : minus((number / 10 ** shift).toFixed(decimals));
  const [low, high] = [text(lo), text(hi)];
  const power = shift ? `×10${superscript(shift)}` : "";
  if (low === high) {
    return h("span", {}, text(value), h("span", { class: "symmetric" }, ` ± ${high}`), power);
  }
  return h("span", {}, text(value), stack(low, high), power);
}

function wholeNumber(value) {
  return value.toLocaleString("en").replaceAll(",", "\u202f");
}
