// Tables with data-sortable: the heads become buttons that sort; a second press turns the order round.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];

  const sort = (place) => {
    const head = heads[place];
    // Numbers begin with the largest, names with A.
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows];
    rows.sort((a, b) => {
      const [left, right] = [a.cells[place], b.cells[place]];
      if (!head.classList.contains("number") || !("sort" in left.dataset || "sort" in right.dataset)) {
        return sign * left.textContent.localeCompare(right.textContent, undefined, { numeric: true });
      }
      if (!("sort" in left.dataset)) return 1; // a dash is last in either order
      if (!("sort" in right.dataset)) return -1;
      return sign * (Number(left.dataset.sort) - Number(right.dataset.sort));
    });
    body.append(...rows);
  };

  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(place));
    head.replaceChildren(button);
  });
}
