// One image large: its boxes with names and sizes, its findings; steps through what the filters let through.
(() => {
  const MOST_LABELS = 40; // more would hide the picture
  const ZOOMS = ["fit", 1, 2, 4];
  const BOX_SHARE = 0.25; // of the view that a chosen box fills
  const by = (id) => document.getElementById(id);
  const dialog = by("view");
  const stage = by("view-stage");
  let place = 0;
  let zoom = "fit";
  let frame = null;
  let details = null;

  const image = () => browse.grid.found()[place];

  const scaleOf = (at) => {
    const [width, height] = browse.size(at);
    const fit = Math.min(stage.clientWidth / width, stage.clientHeight / height, 8);
    return zoom === "fit" ? fit : zoom;
  };

  const resize = () => {
    if (!frame || !details) return;
    const [width, height] = browse.size(image());
    by("view-zoom").disabled = !width;
    const scale = width ? scaleOf(image()) : 1;
    frame.style.width = `${width ? width * scale : stage.clientWidth}px`;
    frame.style.height = `${width ? height * scale : stage.clientHeight}px`;
    frame.classList.toggle("coarse", scale >= 3);
    by("view-zoom").textContent = zoom === "fit" ? `Fit, ${Math.round(100 * scale)} %` : `${Math.round(100 * scale)} %`;
    if (width) frame.querySelector(".boxes").replaceWith(browse.drawBoxes(image(), details.boxes, width * scale));
  };

  const setZoom = (value, centre) => {
    const [width, height] = browse.size(image());
    const [x, y] = centre ?? [
      (stage.scrollLeft + stage.clientWidth / 2) / frame.clientWidth,
      (stage.scrollTop + stage.clientHeight / 2) / frame.clientHeight,
    ].map((share, axis) => share * (axis ? height : width));
    zoom = value;
    resize();
    stage.scrollLeft = (x / width) * frame.clientWidth - stage.clientWidth / 2;
    stage.scrollTop = (y / height) * frame.clientHeight - stage.clientHeight / 2;
  };

  const nextZoom = (centre) => {
    const next = ZOOMS.indexOf(zoom) + 1 || 1; // after a chosen box, as after "fit"
    if (browse.size(image())[0]) setZoom(ZOOMS[ZOOMS.includes(zoom) ? next % ZOOMS.length : 0], centre);
  };

  const highlight = (number) => {
    for (const group of frame.querySelectorAll("[data-place]"))
      group.classList.toggle("chosen", Number(group.dataset.place) === number);
  };

  const labels = (at, boxes) => {
    const [width, height] = browse.size(at);
    if (boxes.length > MOST_LABELS) return [];
    return boxes
      .filter((box) => box.drawn)
      .map((box) => {
        const { name, color, ink } = browse.data.classes[box.label];
        const label = browse.make("span", { class: "label" }, name);
        Object.assign(label.style, { background: color, color: ink });
        const right = box.x + box.width / 2 > width * 0.7;
        if (right) label.style.right = `${Math.max(0, 100 - (100 * (box.x + box.width)) / width)}%`;
        else label.style.left = `${Math.max(0, (100 * box.x) / width)}%`;
        const above = box.y > height * 0.06;
        const below = !above && box.y + box.height < height * 0.94; // else inside
        label.classList.toggle("below", !above);
        label.style.top = `${Math.max(0, (100 * (below ? box.y + box.height : box.y)) / height)}%`;
        return label;
      });
  };

  // Side of a square of the same area, as far as the box lies within its image.
  const side = (box, [width, height]) => {
    const inside = (start, length, end) => Math.max(0, Math.min(start + length, end) - Math.max(start, 0));
    return Math.sqrt(inside(box.x, box.width, width) * inside(box.y, box.height, height));
  };

  const boxRow = (box, number, scale) => {
    const { name, num, color } = browse.data.classes[box.label];
    const swatch = browse.make("span", { class: "swatch" });
    swatch.style.background = color;
    const button = browse.make("button", { type: "button" }, swatch, name === String(num) ? name : `${name} (${num})`);
    const size = box.drawn ? `${box.width} × ${box.height}` : "not known";
    const seen = box.drawn && scale ? browse.px(side(box, browse.size(image())) * scale) : "";
    const cells = [browse.make("th", { scope: "row" }, button), size, seen, box.drawn ? `${box.x}, ${box.y}` : ""];
    const row = browse.make("tr", {}, ...cells.map((cell) => (cell instanceof Element ? cell : browse.make("td", {}, cell))));
    row.addEventListener("mouseenter", () => highlight(number));
    button.addEventListener("focus", () => highlight(number));
    row.addEventListener("mouseleave", () => highlight(-1));
    button.addEventListener("click", () => {
      if (!box.drawn) return;
      const fit = Math.min(stage.clientWidth / box.width, stage.clientHeight / box.height) * BOX_SHARE;
      setZoom(Math.min(Math.max(fit, 1), 8), [box.x + box.width / 2, box.y + box.height / 2]);
      highlight(number);
    });
    return row;
  };

  // Image to training pixels; 0 where it is not known.
  const trainScale = (at) => {
    const [width, height] = browse.size(at);
    const { train_hw: hw } = browse.data;
    if (!width) return 0;
    return hw ? Math.min(hw[0] / height, hw[1] / width) : 1;
  };

  const fillFacts = (at) => {
    const [width, height] = browse.size(at);
    const scale = trainScale(at);
    const split = browse.splitName(at);
    const facts = [browse.stateName(at), width ? `${width} × ${height} px` : "size not known", split];
    by("view-facts").textContent = facts.filter(Boolean).join(" · ");
    by("view-scale").textContent = browse.data.train_hw && scale ? `Training sees it at ${Math.round(width * scale)} × ${Math.round(height * scale)} px.` : "";
    by("view-file").href = browse.address(at);
    by("view-boxes").hidden = !details?.boxes.length;
    by("view-findings").hidden = !details?.findings.length;
    by("view-rows").replaceChildren(...(details?.boxes ?? []).map((box, number) => boxRow(box, number, scale)));
    by("view-list").replaceChildren(
      ...(details?.findings ?? []).map(([code, severity, where, message]) =>
        browse.make(
          "li",
          {},
          browse.make("span", { class: `severity ${severity}` }, severity),
          ` ${code} `,
          browse.make("code", {}, where),
          browse.make("p", {}, message),
        ),
      ),
    );
  };

  const fill = () => {
    const at = image();
    details = browse.details(at);
    const name = browse.data.names[at];
    by("view-title").textContent = name;
    by("view-place").textContent = `${(place + 1).toLocaleString("en")} of ${browse.grid.found().length.toLocaleString("en")}`;
    by("view-previous").disabled = place === 0;
    by("view-next").disabled = place === browse.grid.found().length - 1;
    frame = browse.make("div", { class: "frame" });
    if (details) {
      const [width] = browse.size(at);
      frame.append(browse.makeImage(browse.largePictures(at, details), name, browse.whyNone(at)));
      if (width) frame.append(browse.drawBoxes(at, details.boxes, width), ...labels(at, details.boxes));
    }
    stage.replaceChildren(frame);
    resize();
    fillFacts(at);
    for (const next of [place + 1, place - 1]) preload(browse.grid.found()[next]);
  };

  const preload = (at) => {
    const other = at === undefined ? null : browse.details(at);
    const [address] = other ? browse.largePictures(at, other) : [];
    if (address) new Image().src = address;
  };

  const step = (to) => {
    const next = Math.min(Math.max(to, 0), browse.grid.found().length - 1);
    if (next === place) return;
    place = next;
    zoom = "fit";
    fill();
    browse.changeImage(browse.data.names[image()]);
  };

  browse.view = {
    open(at) {
      place = at;
      zoom = "fit";
      if (!dialog.open) {
        dialog.showModal();
        stage.focus(); // so that the arrows up and down move a zoomed picture
      }
      fill();
      browse.changeImage(browse.data.names[image()]);
    },
    close: () => dialog.open && dialog.close(),
    isOpen: () => dialog.open,
  };

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = browse.grid.found().length - 1;
    const target = {
      ...{ ArrowRight: place + 1, ArrowLeft: place - 1, j: place + 1, k: place - 1 },
      ...{ Home: 0, End: last },
    }[event.key];
    if (target !== undefined) step(target);
    else if (event.key === "z") nextZoom();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener("close", () => {
    stage.replaceChildren();
    frame = null;
    browse.changeImage("");
    browse.grid.go(place);
    browse.grid.focus();
  });
  stage.addEventListener("click", (event) => {
    if (!frame?.contains(event.target) || !browse.size(image())[0]) return;
    const area = frame.getBoundingClientRect();
    const [width, height] = browse.size(image());
    nextZoom([((event.clientX - area.x) / area.width) * width, ((event.clientY - area.y) / area.height) * height]);
  });
  by("view-close").addEventListener("click", () => dialog.close());
  by("view-previous").addEventListener("click", () => step(place - 1));
  by("view-next").addEventListener("click", () => step(place + 1));
  by("view-zoom").addEventListener("click", () => nextZoom());
  document.addEventListener("arrived", () => {
    if (dialog.open && (!details || stage.querySelector(".none"))) fill();
  });
  new ResizeObserver(resize).observe(stage);
})();
