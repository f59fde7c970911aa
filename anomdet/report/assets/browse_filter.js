// Which images a state lets through, and in which order. A state is what the form and the address say.
(() => {
  browse.empty = () => ({
    text: "",
    splits: [], // names; "none": in no split
    show: "", // boxes, normal or unknown
    classes: [], // numbers, as the user wrote them
    every: false, // all of the classes, not any
    from: "", // of the smallest box, px
    to: "",
    severity: "", // any, none, error, warning or note
    codes: [],
    sort: "name", // boxes or smallest
    down: false,
    image: "", // name of the one that is shown large
  });

  // An array of one byte an image, 1 where one of the findings is.
  const withFindings = (kinds) => {
    const marks = new Uint8Array(browse.data.length);
    for (const kind of kinds) for (const at of kind.images) marks[at] = 1;
    return marks;
  };

  const classTest = (state) => {
    const { classes, class_sets: sets, class_set_of: setOf } = browse.data;
    const wanted = state.classes.map((num) => classes.findIndex((one) => one.num === num));
    const isIn = (set) => (state.every ? wanted.every((at) => set.includes(at)) : wanted.some((at) => set.includes(at)));
    const fits = sets.map(isIn);
    return (at) => fits[setOf[at]];
  };

  const findingTests = (state) => {
    const { findings } = browse.data;
    const tests = [];
    if (state.severity) {
      const bySeverity = ["any", "none"].includes(state.severity)
        ? findings
        : findings.filter((kind) => kind.severity === state.severity);
      const marks = withFindings(bySeverity);
      tests.push(state.severity === "none" ? (at) => !marks[at] : (at) => marks[at]);
    }
    if (state.codes.length) {
      const marks = withFindings(findings.filter((kind) => state.codes.includes(kind.code)));
      tests.push((at) => marks[at]);
    }
    return tests;
  };

  const testsOf = (state) => {
    const { data } = browse;
    const tests = [];
    if (state.show) {
      const wanted = ["boxes", "normal", "unknown"].indexOf(state.show);
      tests.push((at) => data.states[at] === wanted);
    }
    if (state.splits.length) {
      const wanted = new Set(state.splits.map((name) => data.split_names.indexOf(name))); // none: -1
      tests.push((at) => wanted.has(data.splits[at]));
    }
    if (state.classes.length) tests.push(classTest(state));
    if (state.from !== "" || state.to !== "") {
      const from = state.from === "" ? 0 : Number(state.from);
      const to = state.to === "" ? Infinity : Number(state.to);
      tests.push((at) => data.smallest[at] >= from && data.smallest[at] < to);
    }
    tests.push(...findingTests(state));
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) tests.push((at) => words.every((word) => data.lower[at].includes(word)));
    return tests;
  };

  const sort = (found, state) => {
    const { data } = browse;
    const sign = state.down ? -1 : 1;
    if (state.sort === "boxes") found.sort((a, b) => sign * (data.num_boxes[a] - data.num_boxes[b]) || a - b);
    else if (state.sort === "smallest") {
      const key = (at) => (data.smallest[at] < 0 ? Infinity : sign * data.smallest[at]); // those without a box last
      found.sort((a, b) => (key(a) === key(b) ? a - b : key(a) - key(b)));
    } else if (state.down) found.reverse();
    return found;
  };

  // Positions of the images that a state lets through, in its order.
  browse.find = (state) => {
    const tests = testsOf(state);
    const found = [];
    for (let at = 0; at < browse.data.length; at += 1) if (tests.every((test) => test(at))) found.push(at);
    return sort(found, state);
  };
})();
