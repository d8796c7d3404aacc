"use strict";

/* Pieces of data by name: in elements of the page, else in scripts beside it, since a page in a folder may load nothing else. */

const KEPT_PIECES = 400;

class Store {
  constructor(folder = "data") {
    this.folder = folder;
    this.pieces = new Map(); // promises, the last used at the end
    this.waiting = new Map();
  }

  get(name) {
    const known = this.pieces.get(name);
    if (known) this.pieces.delete(name);
    this.pieces.set(name, known || this.load(name));
    if (this.pieces.size > KEPT_PIECES) this.pieces.delete(this.pieces.keys().next().value);
    return this.pieces.get(name);
  }

  load(name) {
    const element = document.getElementById(`piece-${name}`);
    if (element) return Promise.resolve(JSON.parse(element.textContent));
    return new Promise((resolve, reject) => {
      const script = h("script", { src: `${this.folder}/${name}.js` });
      const end = (done, value) => {
        this.waiting.delete(name);
        script.remove();
        done(value);
      };
      script.onerror = () => {
        this.pieces.delete(name);
        end(reject, new Error(`${this.folder}/${name}.js is missing: was the folder copied with the page?`));
      };
      this.waiting.set(name, (value) => end(resolve, value));
      document.head.append(script);
    });
  }
}

const STORE = new Store();

/* What the scripts of the data call. */
function arrived(name, value) {
  const take = STORE.waiting.get(name);
  if (take) take(value);
}

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}

const DECODERS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u4: Uint32Array };

/* A function from the number of a row to its cell; null where nothing is known. */
function decodeColumn(column) {
  if (column === null) return () => null;
  if (Array.isArray(column)) return (i) => column[i];
  if ("all" in column) return () => column.all;
  const [[kind, text]] = Object.entries(column);
  const values = new DECODERS[kind](decodeBytes(text));
  return (i) => (Number.isFinite(values[i]) ? values[i] : null);
}
