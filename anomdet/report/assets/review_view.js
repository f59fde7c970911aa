// One suspect: its image, the labels that go and come, and what is known of it. Names are text here, never markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const CONTEXT = 4; // sides of the view, in sides of what it is about
  const LEAST_PX = 96; // of the image, so that a small box is seen in its surroundings
  const by = (id) => document.getElementById(id);
  const stage = by("stage");
  const className = new Map(review.data.classes.map((one) => [one.num, one.name]));
  let whole = false;

  const make = (tag, attributes, text) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    return element;
  };

  // x, y, width, height of what is shown, in pixels of the image.
  const windowOf = (one) => {
    const [width, height] = one.size_wh;
    if (whole) return [0, 0, width, height];
    const boxes = [...one.remove, ...one.add].map((box) => box.bbox_xywh);
    const left = Math.min(...boxes.map(([x]) => x));
    const top = Math.min(...boxes.map(([, y]) => y));
    const right = Math.max(...boxes.map(([x, , w]) => x + w));
    const bottom = Math.max(...boxes.map(([, y, , h]) => y + h));
    const side = Math.max(CONTEXT * Math.sqrt((right - left) * (bottom - top)), 1.3 * Math.max(right - left, bottom - top), LEAST_PX);
    const [shownWidth, shownHeight] = [Math.min(side, width), Math.min(side, height)];
    const clamp = (middle, shown, all) => Math.min(Math.max(middle - shown / 2, 0), all - shown);
    return [clamp((left + right) / 2, shownWidth, width), clamp((top + bottom) / 2, shownHeight, height), shownWidth, shownHeight];
  };

  const drawBox = (svg, box, kind, scale, shown) => {
    const [x, y, width, height] = box.bbox_xywh;
    svg.append(make("rect", { x, y, width, height, class: kind }));
    if (kind === "halo") return;
    const size = 13 * scale;
    const above = y - shown[1] > 1.6 * size;
    const below = kind === "comes";
    const at = below ? Math.min(y + height + 1.2 * size, shown[1] + shown[3] - 0.3 * size) : above ? y - 0.35 * size : y + 1.1 * size;
    const name = className.get(box.class_num) ?? String(box.class_num);
    const style = { x: Math.max(x, shown[0]), y: at, class: kind, "font-size": size, "stroke-width": size / 5 };
    svg.append(make("text", style, name));
  };

  review.draw = (one) => {
    for (const old of stage.querySelectorAll("svg, .none")) old.remove();
    by("nothing").hidden = Boolean(one);
    if (!one) return;
    const [width, height] = one.size_wh;
    const shown = windowOf(one);
    const svg = make("svg", { viewBox: shown.join(" "), role: "img", "aria-label": `${one.image}: ${review.title(one)}` });
    const scale = Math.max(shown[2] / Math.max(stage.clientWidth, 1), shown[3] / Math.max(stage.clientHeight, 1));
    const address = review.data.images[one.image];
    const fail = () => {
      const text = document.createElement("p");
      text.className = "none";
      text.textContent = "the image is not where it was, or cannot be shown";
      stage.append(text);
    };
    if (address) {
      const image = make("image", { href: address, x: 0, y: 0, width, height, preserveAspectRatio: "none" });
      if (scale < 0.34) image.setAttribute("class", "coarse");
      image.addEventListener("error", fail);
      svg.append(image);
    } else fail();
    for (const box of [...one.labels, ...one.remove, ...one.add]) drawBox(svg, box, "halo", scale, shown);
    for (const box of one.labels) drawBox(svg, box, "stays", scale, shown);
    for (const box of one.remove) drawBox(svg, box, "goes", scale, shown);
    for (const box of one.add) drawBox(svg, box, "comes", scale, shown);
    stage.append(svg);
  };

  review.title = (one) => {
    const names = { missing: "Missing label", class: "Wrong class", box: "Misplaced box", unsupported: "Label without support", double: "Two labels on one object", merged: "One label over two objects" };
    return one.manner ? `${names[one.kind]}: ${one.manner}` : names[one.kind];
  };

  review.tell = (one) => {
    by("what").textContent = one ? review.title(one) : "";
    by("meaning").textContent = one ? review.data.meanings[one.kind] : "";
    const names = (boxes) => boxes.map((box) => className.get(box.class_num) ?? String(box.class_num)).join(", ");
    const facts = one
      ? [
          ["image", one.image],
          ["error", one.probability === null ? "probability unknown" : `with probability ${one.probability.toFixed(2)}`],
          ...(one.hard_normal ? [["part", "labelled as normal"]] : []),
          ...(one.remove.length ? [["goes", names(one.remove)]] : []),
          ...(one.add.length ? [["comes", names(one.add)]] : []),
          ...(one.score === null ? [] : [["score", one.score.toFixed(2)]]),
        ]
      : [];
    by("facts").replaceChildren(
      ...facts.flatMap(([name, text]) => {
        const [term, value] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        value.textContent = text;
        return [term, value];
      }),
    );
  };

  review.toggleWhole = () => {
    whole = !whole;
    by("zoom").setAttribute("aria-pressed", String(whole));
  };

  review.preload = (one) => {
    if (one && review.data.images[one.image]) new Image().src = review.data.images[one.image];
  };
})();
