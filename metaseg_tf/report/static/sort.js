"use strict";

// Tables of the class "sortable": a click on a heading sorts the last body by that column.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[table.tBodies.length - 1];

  const compare = (column, sign) => (one, other) => {
    const [a, b] = [one, other].map((row) => row.cells[column].textContent.trim());
    const [x, y] = [a, b].map(parseFloat);
    // Cells without a number come last in both orders.
    if (column > 0) return isNaN(x) - isNaN(y) || sign * (x - y) || 0;
    return sign * a.localeCompare(b, undefined, { numeric: true });
  };

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = column > 0 ? "descending" : "ascending";
      const other = column > 0 ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const one of headings) one.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      body.append(...[...body.rows].sort(compare(column, order === "ascending" ? 1 : -1)));
    });
  });
}
