// The data: columns of all images, and parts of a few hundred images that are loaded when they are looked at.
// A page without a server may not fetch, but it may load scripts: each part is one that calls `browse.take`.
const browse = {};
(() => {
  const LARGE_PIXELS = 4e6; // a larger image is not decoded just to fill a small square
  const POLL_MS = 3000;
  const POLLS_IN_VAIN = 40;
  const base = document.documentElement.dataset.url;
  const parts = new Map(); // number to its content; null while it loads, false where it cannot
  let made = null;
  let failed = {};
  let pollsInVain = 0;

  const unpack = (index) => {
    const length = index.num_boxes.length;
    const names = length ? index.names.split("\0") : [];
    return {
      ...index,
      length,
      names,
      lower: names.map((name) => name.toLowerCase()),
      splits: Int8Array.from(index.splits, (character) => (character === "-" ? -1 : Number(character))),
      states: Int8Array.from(index.states),
      num_boxes: Uint32Array.from(index.num_boxes),
      smallest: Float32Array.from(index.smallest),
      findings: index.findings.map((kind) => ({ ...kind, images: addUp(kind.images) })),
    };
  };

  const addUp = (distances) => {
    let sum = 0;
    return Uint32Array.from(distances, (distance) => (sum += distance));
  };

  const load = (file, whenItFails) => {
    const script = document.createElement("script");
    script.src = `${base}/${file}`;
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", whenItFails);
    document.head.append(script);
  };

  const fail = () =>
    browse.say("A part of the data is missing: the page was perhaps written anew. Load it again to go on.");

  browse.take = (name, content) => {
    if (name === "index") {
      browse.data = unpack(content);
      return;
    }
    parts.set(Number(name), content);
    document.dispatchEvent(new Event("arrived"));
  };

  browse.take_thumbs = (state) => {
    const bits = Uint8Array.from(atob(state.made), (character) => character.charCodeAt(0));
    pollsInVain = made && bits.every((bit, at) => bit === made[at]) ? pollsInVain + 1 : 0;
    made = bits;
    failed = state.failed;
    document.dispatchEvent(new Event("arrived"));
    if (!state.done && pollsInVain < POLLS_IN_VAIN) setTimeout(poll, POLL_MS);
  };

  const poll = () => {
    if (document.hidden) document.addEventListener("visibilitychange", poll, { once: true });
    else load(`thumbs.js?${Date.now()}`, fail);
  };

  // What is drawn of an image; null until it is there, which the event `arrived` tells.
  browse.details = (at) => {
    const { part_size: size } = browse.data;
    const number = Math.floor(at / size);
    const place = at % size;
    const part = parts.get(number);
    if (part === undefined) {
      parts.set(number, null);
      load(`${String(number).padStart(5, "0")}.js`, () => {
        parts.set(number, false);
        fail();
      });
    }
    if (!part) return null;
    return {
      boxes: unflatten(part.boxes[place]),
      findings: part.findings[place] ?? [],
      thumb: part.thumbs[place],
      preview: part.previews[place],
      direct: part.direct[place] === "1",
    };
  };

  const unflatten = (flat) => {
    const boxes = [];
    for (let i = 0; i < flat.length; i += 5) {
      const [x, y, width, height, label] = flat.slice(i, i + 5);
      boxes.push({ x, y, width, height, label, drawn: [x, y, width, height].every(Number.isFinite) });
    }
    return boxes;
  };

  browse.size = (at) => browse.data.sizes[browse.data.size_of[at]];

  const hasPictures = (at) => Boolean(made && made[at >> 3] & (1 << (at & 7)));

  // Each character of a name as an address has it. A lone surrogate stands for a byte that is no text in UTF-8.
  const encode = (character) => {
    const code = character.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16)}`;
    return character === "/" ? "/" : encodeURIComponent(character);
  };
  browse.address = (at) => browse.data.images_url + Array.from(browse.data.names[at], encode).join("");

  // Addresses of the small picture, the best first; empty where there is none yet.
  browse.smallPictures = (at, details) => {
    const [width, height] = browse.size(at);
    const own = details.direct && (!details.thumb || width * height <= LARGE_PIXELS) ? [browse.address(at)] : [];
    return hasPictures(at) && details.thumb ? [`thumbs/${details.thumb}`, ...own] : own;
  };

  browse.largePictures = (at, details) => {
    if (details.direct) return [browse.address(at)];
    return hasPictures(at) ? [details.preview, details.thumb].filter(Boolean).map((name) => `thumbs/${name}`) : [];
  };

  browse.whyNone = (at) => {
    if (failed[at]) return failed[at];
    return browse.size(at)[0] ? "no picture made yet" : "cannot be read";
  };
})();
