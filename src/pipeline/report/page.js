"use strict";

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
  for (const entry of data.histograms) {
    const unit = data.columns[entry.column] ? data.columns[entry.column].unit : "";
    place.append(histogram(entry, unit, (range) => table.show({ range })));
  }
}

async function drawRejected(data) {
  const place = document.getElementById("rejected");
  if (!data.n_rejected) {
    place.append(h("p", {}, "None: every file of the archive was used or set aside."));
    return;
  }
  const rejected = await STORE.get("rejected");
  const cells = ([file, source, stage, status, reason]) => [
    h("span", { class: "mono" }, file), source, stage, statusBadge(status, false), reason,
  ];
  const box = h("div");
  const more = h("button", { onclick: () => show(rejected.length) }, "Show all");
  const show = (limit) => {
    box.replaceChildren(simpleTable(["file", "source", "stage", "status", "reason"], rejected.slice(0, limit).map(cells)));
    more.hidden = limit >= rejected.length;
  };
  show(REJECTED_PAGE);
  place.append(box, more);
  if (data.n_rejected > rejected.length) {
    place.append(h("p", { class: "note" }, `${wholeNumber(data.n_rejected)} in all; the rest are in rejected.parquet.`));
  }
}

/* index.html#source=NAME opens that source. */
async function openFromAddress(survey, table) {
  const match = /^#source=(.+)$/.exec(location.hash);
  let name = "";
  try {
    name = match ? decodeURIComponent(match[1]) : "";
  } catch {
    return; // not an encoded name
  }
  const i = name ? await survey.find(name) : -1;
  if (i >= 0 && i !== table.open) await table.reveal(i);
}

async function main() {
  const data = JSON.parse(document.getElementById("data").textContent);
  data.columns.reduced_deviance = { unit: "", description: "Deviance over degrees of freedom." };
  const survey = new Survey(data, STORE);
  const table = new SourceTable(data, survey, document.getElementById("sources"));
  drawSummary(data);
  drawStatuses(data, table);
  drawTruth(data);
  drawDistributions(data, table);
  await table.apply();
  await openFromAddress(survey, table);
  window.addEventListener("hashchange", () => openFromAddress(survey, table));
  await drawRejected(data);
  document.documentElement.dataset.ready = Math.round(performance.now()); // ms, for benchmarks and tests
}

main();
