// The queue of labels to look at, one at a time: decisions are kept by the browser and exported.
"use strict";

metaseg.setQueue = ({ name, fingerprint, entries }) => {
  const { element } = metaseg;
  const DECISIONS = { a: "accept", r: "reject", s: "skip" };
  const key = `metaseg-tf/review/${name}/${fingerprint}`;
  const find = (id) => document.getElementById(id);
  const decisions = new Map();
  let at = 0;

  function read() {
    try {
      const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
      for (const entry of entries) {
        if (Object.values(DECISIONS).includes(kept[entry.rank])) {
          decisions.set(entry.rank, kept[entry.rank]);
        }
      }
    } catch (error) {
      complain(error);
    }
  }

  function complain(error) {
    find("problem").textContent =
      `This browser does not keep decisions (${error.message}): export them before you leave.`;
  }

  // The same decision again takes it back; else the next entry without one follows.
  function decide(decision) {
    const { rank } = entries[at];
    if (decisions.get(rank) === decision) {
      decisions.delete(rank);
    } else {
      decisions.set(rank, decision);
      const open = entries.findIndex((entry, i) => i > at && !decisions.has(entry.rank));
      at = open < 0 ? Math.min(at + 1, entries.length - 1) : open;
    }
    try {
      localStorage.setItem(key, JSON.stringify(Object.fromEntries(decisions)));
    } catch (error) {
      complain(error);
    }
    show();
  }

  function step(by) {
    at = Math.min(Math.max(at + by, 0), entries.length - 1);
    show();
  }

  function show() {
    if (!entries.length) {
      find("place").textContent = "Nothing to look at: network and labels agree.";
      return;
    }
    const entry = entries[at];
    find("place").textContent = `${at + 1} of ${entries.length}, ${decisions.size} decided`;
    find("title").textContent = entry.title;
    find("reason").textContent = entry.reason;
    find("crop").src = entry.crop;
    find("crop").alt = `${entry.title}, in ${entry.image}`;
    find("buttons").replaceChildren(...Object.entries(DECISIONS).map(([letter, decision]) =>
      element("button", {
        type: "button", "aria-keyshortcuts": letter, onclick: () => decide(decision),
        "aria-pressed": String(decisions.get(entry.rank) === decision),
      }, decision)));
  }

  const COLUMNS = ["rank", "image", "kind", "class_id", "given_class_id", "top", "left", "bottom",
    "right", "size", "score", "reason"];

  function toText(format) {
    const records = entries.filter((entry) => decisions.has(entry.rank)).map((entry) => ({
      ...Object.fromEntries(COLUMNS.map((column) => [column, entry[column]])),
      decision: decisions.get(entry.rank),
    }));
    if (format === "json") return `${JSON.stringify(records, null, 1)}\n`;
    const header = [...COLUMNS, "decision"];
    const rows = records.map((record) => header.map((column) => metaseg.marks.toCell(record[column])));
    return [header, ...rows].map((cells) => `${cells.join(",")}\n`).join("");
  }

  function save(format) {
    metaseg.marks.offer(toText(format), format, `decisions.${format}`);
  }

  find("exports").replaceChildren(...["json", "csv"].map((format) => element("button", {
    type: "button", onclick: () => save(format),
  }, `Export decisions.${format}`)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !entries.length) return;
    if (event.key in DECISIONS) decide(DECISIONS[event.key]);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
  });
  read();
  at = Math.max(entries.findIndex((entry) => !decisions.has(entry.rank)), 0);
  show();
  metaseg.review = { toText, decisions };
};
