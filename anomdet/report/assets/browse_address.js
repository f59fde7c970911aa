// The state in the page's address, after the #, so that a view can be kept as a bookmark or sent to a colleague.
(() => {
  const LISTS = ["splits", "codes"];
  const FLAGS = ["every", "down"];

  browse.writeAddress = (state) => {
    const usual = browse.empty();
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) {
      if (String(value) !== String(usual[key])) parameters.set(key, typeof value === "boolean" ? "1" : String(value));
    }
    const hash = parameters.toString();
    if (`#${hash}` !== (location.hash || "#")) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  browse.readAddress = () => {
    const state = browse.empty();
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      if (!Object.hasOwn(state, key)) continue;
      if (FLAGS.includes(key)) state[key] = value === "1";
      else if (LISTS.includes(key)) state[key] = value.split(",").filter(Boolean);
      else if (key === "classes") state[key] = value.split(",").filter(Boolean).map(Number);
      else state[key] = value;
    }
    return state;
  };
})();
