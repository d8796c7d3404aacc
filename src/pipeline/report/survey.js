"use strict";

/* The table of sources: rows in blocks, columns and text in pieces, each loaded when it is needed. */
class Survey {
  constructor(data, store) {
    this.n = data.n_sources;
    this.sizes = data.pieces;
    this.store = store;
    this.columns = new Map();
    this.text = null;
  }

  pieces(name, size) {
    const count = Math.ceil(this.n / size);
    return Promise.all(Array.from({ length: count }, (_, k) => this.store.load(`${name}-${k}`)));
  }

  /* All values of a column: numbers, NaN where there are none, or the numbers of words. */
  column(name) {
    if (!this.columns.has(name)) {
      const Kind = this.sizes.words[name] ? Uint32Array : Float32Array;
      this.columns.set(name, this.pieces(`column-${name}`, this.sizes.column).then((pieces) => {
        const values = new Kind(this.n);
        pieces.forEach((piece, k) => values.set(new Kind(decodeBytes(piece)), k * this.sizes.column));
        return values;
      }));
    }
    return this.columns.get(name);
  }

  /* Rows by their number, each a function from the name of a column to its cell. */
  async rows(numbers) {
    const size = this.sizes.rows;
    const blocks = await Promise.all(numbers.map((i) => this.block(Math.floor(i / size))));
    return blocks.map((block, k) => (name) => (block[name] ? block[name](numbers[k] % size) : null));
  }

  async block(k) {
    const piece = await this.store.get(`rows-${k}`);
    piece.cells ||= Object.fromEntries(Object.entries(piece.columns).map(([name, column]) => [name, decodeColumn(column)]));
    return piece.cells;
  }

  /* What a click on a source shows, with the frequencies of its spectrum; null where it is not shown. */
  async detail(row) {
    const number = row("detail");
    if (number === null || number < 0) return null;
    const piece = await this.store.get(`details-${Math.floor(number / this.sizes.details)}`);
    return { ...piece.details[number % this.sizes.details], grids: piece.grids };
  }

  /* The numbers of the sources that pass the filter, in order. */
  async select(filter, sort) {
    const mask = new Uint8Array(this.n).fill(1);
    const keep = (test) => {
      for (let i = 0; i < this.n; i += 1) if (mask[i] && !test(i)) mask[i] = 0;
    };
    if (filter.status) {
      const [codes, code] = [await this.column("status"), this.sizes.words.status.indexOf(filter.status)];
      keep((i) => codes[i] === code);
    }
    if (filter.qpo) {
      const values = await this.column("qpo_frequency");
      keep((i) => Number.isFinite(values[i]));
    }
    if (filter.range) {
      const [values, { lo, hi }] = [await this.column(filter.range.column), filter.range];
      keep((i) => values[i] >= lo && values[i] <= hi);
    }
    for (const word of filter.words.split(/\s+/).filter(Boolean)) {
      const found = await this.matching(word);
      keep((i) => found[i]);
    }
    let count = 0;
    for (let i = 0; i < this.n; i += 1) count += mask[i];
    const rows = new Uint32Array(count);
    for (let i = 0, k = 0; i < this.n; i += 1) if (mask[i]) rows[k++] = i;
    return this.sorted(rows, sort);
  }

  /* The catalogue is in the order of the names. */
  async sorted(rows, { key, descending }) {
    if (key === "source_id") return descending ? rows.reverse() : rows;
    const values = await this.column(key);
    const words = this.sizes.words[key];
    const keys = words ? Float32Array.from(values, (code) => this.ranks(words)[code]) : values;
    const sign = descending ? -1 : 1;
    const known = rows.filter((i) => !Number.isNaN(keys[i])).sort((i, j) => sign * (keys[i] - keys[j]) || i - j);
    const unknown = rows.filter((i) => Number.isNaN(keys[i]));
    rows.set(known);
    rows.set(unknown, known.length);
    return rows;
  }

  /* The place of each word in the alphabet; NaN of the empty word. */
  ranks(words) {
    this.ranked ||= new Map();
    if (!this.ranked.has(words)) {
      const sorted = [...words].sort();
      const places = new Map(sorted.map((word, place) => [word, word ? place : NaN]));
      this.ranked.set(words, words.map((word) => places.get(word)));
    }
    return this.ranked.get(words);
  }

  /* Which sources have a word, or a part of one, in their text or in one of their words. */
  async matching(word) {
    const found = new Uint8Array(this.n);
    const text = await this.texts();
    text.forEach(({ lines, starts }, piece) => {
      const first = piece * this.sizes.text;
      let line = 0;
      for (let at = lines.indexOf(word); at >= 0; at = line < starts.length ? lines.indexOf(word, starts[line]) : -1) {
        while (line < starts.length && starts[line] <= at) line += 1;
        found[first + line - 1] = 1; // the next search begins in the next line
      }
    });
    for (const [name, words] of Object.entries(this.sizes.words)) {
      if (name === "status") continue;
      const has = words.map((one) => one.toLowerCase().includes(word));
      if (!has.some(Boolean)) continue;
      const codes = await this.column(name);
      for (let i = 0; i < this.n; i += 1) if (has[codes[i]]) found[i] = 1;
    }
    return found;
  }

  /* The text of each piece, and where its lines begin. */
  texts() {
    this.text ||= this.pieces("text", this.sizes.text).then((pieces) => pieces.map((lines) => {
      const starts = [0];
      for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) starts.push(at + 1);
      return { lines, starts };
    }));
    return this.text;
  }

  /* The number of the source of this name, or -1. */
  async find(name) {
    const wanted = name.toLowerCase().replace(/[\t\n\r\u2028\u2029]/g, " ");
    for (const [piece, { lines, starts }] of (await this.texts()).entries()) {
      for (let line = 0; line < starts.length; line += 1) {
        if (!lines.startsWith(wanted, starts[line])) continue;
        const i = piece * this.sizes.text + line;
        const [row] = await this.rows([i]);
        if (row("source_id") === name) return i;
      }
    }
    return -1;
  }
}
