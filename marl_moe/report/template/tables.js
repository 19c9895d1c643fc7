// Tables: sorted by their headings, within groups of rows; wide ones scroll.

function drawTable(table) {
  const body = [];
  const headings = make("tr");
  const element = make("table", { class: "data" }, make("thead", {}, headings));
  let group = null;
  let sorted = { at: null, ascending: true };

  table.columns.forEach((column, at) => {
    const button = make("button", { type: "button", onclick: () => sort(at) }, column.heading);
    headings.append(
      make("th", { scope: "col", class: column.numeric ? "number" : null, "aria-sort": "none" }, button),
    );
  });
  for (const row of table.rows) {
    if (typeof row === "string" || group === null) {
      group = { rows: [], element: make("tbody"), head: null };
      body.push(group);
      element.append(group.element);
    }
    if (typeof row === "string") {
      group.head = make(
        "tr",
        { class: "group" },
        make("th", { scope: "rowgroup", colspan: table.columns.length }, row),
      );
    } else {
      group.rows.push({ cells: row, element: drawRow(row, table.columns) });
    }
  }

  function show() {
    for (const { rows, element: part, head } of body) {
      part.replaceChildren(...(head ? [head] : []), ...rows.map((row) => row.element));
    }
  }

  // Numbers fall first, texts rise; what has no number comes last either way.
  function sort(at) {
    const numeric = table.columns[at].numeric;
    const ascending = sorted.at === at ? !sorted.ascending : !numeric;
    sorted = { at, ascending };
    for (const { rows } of body) rows.sort((a, b) => order(a.cells[at], b.cells[at], numeric, ascending));
    [...headings.children].forEach((heading, place) => {
      const now = place === at ? (ascending ? "ascending" : "descending") : "none";
      heading.setAttribute("aria-sort", now);
    });
    show();
  }

  show();
  const title = make("p", { class: "caption" }, table.title);
  const scrolled = make(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": table.title || "Table" },
    element,
  );
  return make(
    "figure",
    { class: "table" },
    table.title ? title : null,
    scrolled,
    ...table.notes.map((note) => make("p", { class: "note" }, note)),
  );
}

function drawRow(cells, columns) {
  return make(
    "tr",
    {},
    cells.map((cell, at) => {
      const attributes = { class: columns[at].numeric ? "number" : null };
      const best = cell.best ? make("span", { class: "best", title: "best of its column" }, " ★") : null;
      const note = cell.note ? make("span", { class: "tag" }, cell.note) : null;
      const text = cell.best ? make("strong", {}, cell.text) : cell.text;
      if (at) return make("td", attributes, text, best, note);
      return make("th", { ...attributes, scope: "row" }, text, note);
    }),
  );
}

function order(a, b, numeric, ascending) {
  const sign = ascending ? 1 : -1;
  if (!numeric) return sign * (a.text < b.text ? -1 : Number(a.text > b.text));
  const without = [a, b].map((cell) => cell.value === null || cell.value === undefined);
  if (without[0] || without[1]) return Number(without[0]) - Number(without[1]);
  return sign * (a.value - b.value);
}
