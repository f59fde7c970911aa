// A picture with its boxes. Names come from the user's files: they are text here, never markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEAST_PX = 5; // on the screen: the smallest boxes are drawn larger than they are, so that they are seen

  browse.make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  const rect = (box, color, least, kind) => {
    const width = Math.max(box.width, least);
    const height = Math.max(box.height, least);
    const element = document.createElementNS(SVG, "rect");
    const values = { width, height, x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2 };
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    element.setAttribute("class", kind);
    if (kind === "line") element.style.stroke = color;
    return element;
  };

  // The drawing over a picture of `shownWidth` px; large boxes first, so that small ones lie on top.
  browse.drawBoxes = (at, boxes, shownWidth) => {
    const [width, height] = browse.size(at);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "boxes");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const least = (LEAST_PX * width) / shownWidth;
    const order = boxes.map((box, place) => ({ box, place })).filter(({ box }) => box.drawn);
    order.sort((a, b) => b.box.width * b.box.height - a.box.width * a.box.height);
    for (const { box, place } of order) {
      const group = document.createElementNS(SVG, "g");
      group.dataset.place = place;
      const { color } = browse.data.classes[box.label];
      group.append(rect(box, color, least, "halo"), rect(box, color, least, "line"));
      svg.append(group);
    }
    return svg;
  };

  // An image element that falls back from one address to the next, and to a text in the end.
  browse.makeImage = (addresses, alt, whyNone) => {
    if (!addresses.length) return browse.make("span", { class: "none" }, whyNone);
    const image = browse.make("img", { alt, decoding: "async", draggable: "false" });
    let next = 1;
    image.addEventListener("error", () => {
      if (next < addresses.length) image.src = addresses[next++];
      else image.replaceWith(browse.make("span", { class: "none" }, "the file is not where it was"));
    });
    image.src = addresses[0];
    return image;
  };

  browse.count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

  browse.splitName = (at) => {
    const { split_names: names, splits } = browse.data;
    return names.length ? (names[splits[at]] ?? "no split") : "";
  };

  // "2 boxes", "normal" or "no label": the first thing to know of an image.
  browse.stateName = (at) => {
    const { num_boxes: numBoxes, states } = browse.data;
    return states[at] === 0 ? browse.count(numBoxes[at], "box", "boxes") : ["", "normal", "no label read"][states[at]];
  };

  browse.px = (value) => `${Number(value.toFixed(value < 32 ? 1 : 0))} px`;
})();
