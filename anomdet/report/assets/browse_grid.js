// The grid: however many images are found, the document holds only the rows in sight and one above and below.
// It is a listbox with one stop of the Tab key; `aria-activedescendant` tells which image is the current one.
(() => {
  const GAP = 12;
  const CAPTION = 44;
  const WIDTH = 168; // of a picture, at least
  const MOST_HEIGHT = 15e6; // browsers lay out no higher page; some stop at 17 million
  const scroller = document.getElementById("grid");
  const inside = document.getElementById("cells");
  const cells = new Map(); // place in `found` to its element
  let found = [];
  let current = 0;
  let layout = { columns: 1, side: WIDTH, row: WIDTH, last: -1 };

  const measure = () => {
    const width = inside.clientWidth;
    const columns = Math.max(2, Math.floor((width + GAP) / (WIDTH + GAP)));
    const side = Math.floor((width - GAP * (columns - 1)) / columns);
    const row = side + CAPTION + GAP;
    const most = Math.floor(MOST_HEIGHT / row) * columns;
    layout = { columns, side, row, last: Math.min(found.length, most) - 1 };
    inside.style.height = `${Math.ceil((layout.last + 1) / columns) * row}px`;
    document.getElementById("cut").hidden = found.length <= most;
    document.getElementById("cut").textContent =
      `The first ${most.toLocaleString("en")} are shown here; filter to see others.`;
  };

  const label = (at) => {
    const { class_sets: sets, class_set_of: setOf, classes, smallest } = browse.data;
    const names = sets[setOf[at]].map((one) => classes[one].name).join(", ");
    const parts = [browse.data.names[at], browse.stateName(at), names, browse.splitName(at)];
    if (smallest[at] >= 0) parts.push(`smallest ${browse.px(smallest[at])}`);
    return parts.filter(Boolean).join("; ");
  };

  const fill = (cell, at) => {
    const details = browse.details(at);
    if (!details) return;
    const addresses = browse.smallPictures(at, details);
    const key = addresses[0] ?? browse.whyNone(at);
    if (cell.dataset.key === key) return;
    cell.dataset.key = key;
    const [width, height] = browse.size(at);
    const frame = cell.querySelector(".frame");
    const scale = width ? Math.min(layout.side / width, layout.side / height) : 1;
    frame.style.width = `${width ? width * scale : layout.side}px`;
    frame.style.height = `${width ? height * scale : layout.side}px`;
    const image = browse.makeImage(addresses, "", browse.whyNone(at));
    frame.replaceChildren(image, ...(width ? [browse.drawBoxes(at, details.boxes, width * scale)] : []));
    const worst = ["error", "warning", "note"].find((one) => details.findings.some(([, severity]) => severity === one));
    if (!worst || cell.querySelector(".badge")) return;
    const number = browse.count(details.findings.length, "finding");
    cell.querySelector(".picture").append(browse.make("span", { class: `badge ${worst}`, title: number }, number));
    cell.setAttribute("aria-label", `${label(at)}; ${number}`);
  };

  const makeCell = (place) => {
    const at = found[place];
    const { smallest, names } = browse.data;
    const facts = [browse.stateName(at), smallest[at] >= 0 ? `min ${browse.px(smallest[at]).replace(" px", "")}` : "", browse.splitName(at)];
    const cell = browse.make(
      "div",
      { class: "cell", role: "option", id: `cell-${place}`, "aria-label": label(at), "aria-setsize": found.length },
      browse.make("div", { class: "picture" }, browse.make("div", { class: "frame" })),
      browse.make("div", { class: "name", title: names[at] }, names[at]),
      browse.make("div", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    );
    cell.setAttribute("aria-posinset", place + 1);
    cell.dataset.place = place;
    return cell;
  };

  const render = () => {
    const { columns, side, row } = layout;
    const first = Math.max(0, Math.floor(scroller.scrollTop / row) - 1) * columns;
    const end = Math.min(layout.last + 1, (Math.ceil((scroller.scrollTop + scroller.clientHeight) / row) + 1) * columns);
    for (const [place, cell] of cells) {
      if (place >= first && place < end) continue;
      cell.remove();
      cells.delete(place);
    }
    for (let place = first; place < end; place += 1) {
      let cell = cells.get(place);
      if (!cell) {
        cell = makeCell(place);
        cells.set(place, cell);
        inside.append(cell);
      }
      cell.style.width = `${side}px`;
      cell.style.setProperty("--side", `${side}px`);
      cell.style.transform = `translate(${(place % columns) * (side + GAP)}px, ${Math.floor(place / columns) * row}px)`;
      cell.setAttribute("aria-selected", String(place === current));
      fill(cell, found[place]);
    }
    if (cells.has(current)) scroller.setAttribute("aria-activedescendant", `cell-${current}`);
    else scroller.removeAttribute("aria-activedescendant");
  };

  const clear = () => {
    inside.replaceChildren();
    cells.clear();
  };

  let asked = false;
  const renderSoon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      render();
    });
  };

  browse.grid = {
    show(images) {
      const at = found[current];
      found = images;
      current = Math.max(0, found.indexOf(at));
      clear();
      measure();
      if (current === 0) scroller.scrollTop = 0;
      this.go(current);
    },
    // Makes the image at a place the current one and brings it into sight.
    go(place) {
      current = Math.min(Math.max(place, 0), Math.max(layout.last, 0));
      const top = Math.floor(current / layout.columns) * layout.row;
      const height = layout.row;
      if (top < scroller.scrollTop) scroller.scrollTop = top;
      else if (top + height > scroller.scrollTop + scroller.clientHeight)
        scroller.scrollTop = top + height - scroller.clientHeight;
      render();
    },
    focus: () => scroller.focus({ preventScroll: true }),
    current: () => current,
    found: () => found,
  };

  const rowsInSight = () => Math.max(1, Math.floor(scroller.clientHeight / layout.row));
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns } = layout;
    const page = columns * rowsInSight();
    const target = {
      ...{ ArrowRight: current + 1, ArrowLeft: current - 1, j: current + 1, k: current - 1 },
      ...{ ArrowDown: current + columns, ArrowUp: current - columns, PageDown: current + page, PageUp: current - page },
      ...{ Home: 0, End: layout.last },
    }[event.key];
    if (target !== undefined) {
      const isBeyond = event.key === "ArrowUp" && target < 0; // stays in its column
      if (!isBeyond) browse.grid.go(target);
    } else if ((event.key === "Enter" || event.key === " ") && found.length) browse.view.open(current);
    else return;
    event.preventDefault();
  });
  inside.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    browse.grid.go(Number(cell.dataset.place));
    browse.grid.focus();
    browse.view.open(current);
  });
  scroller.addEventListener("scroll", renderSoon, { passive: true });
  document.addEventListener("arrived", renderSoon);
  new ResizeObserver(() => {
    if (!browse.data) return;
    const top = Math.floor(scroller.scrollTop / layout.row) * layout.columns;
    const { side } = layout;
    measure();
    if (layout.side !== side) {
      clear();
      scroller.scrollTop = Math.floor(top / layout.columns) * layout.row;
    }
    render();
  }).observe(scroller);
})();
