// The form of the filters: made from what is in the data, read into a state, and set from one.
(() => {
  const form = document.getElementById("filters");
  const by = (id) => document.getElementById(id);
  const values = (name) => [...form.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value);

  const choice = (type, name, value, text, number, color) => {
    const input = browse.make("input", { type, name, value });
    const words = browse.make("span", { class: "words" }, text);
    const label = browse.make("label", {}, input);
    if (color) {
      const swatch = browse.make("span", { class: "swatch" });
      swatch.style.background = color;
      label.append(swatch);
    }
    label.append(words, browse.make("small", {}, number.toLocaleString("en")));
    return label;
  };

  const tally = (column, value) => column.reduce((sum, one) => sum + (one === value), 0);

  const makeShow = (data) => {
    const kinds = [
      ["boxes", "with boxes", tally(data.states, 0)],
      ["normal", "normal", tally(data.states, 1)],
      ["unknown", "no label read", tally(data.states, 2)],
    ].filter(([, , number]) => number);
    by("show").append(choice("radio", "show", "", "all images", data.length));
    for (const [value, text, number] of kinds) by("show").append(choice("radio", "show", value, text, number));
  };

  const makeSplits = (data) => {
    const kinds = data.split_names.map((name, at) => [name, name, tally(data.splits, at)]);
    const none = tally(data.splits, -1);
    if (kinds.length && none) kinds.push(["none", "in no split", none]);
    for (const [value, text, number] of kinds) by("splits").append(choice("checkbox", "splits", value, text, number));
    by("splits").closest("fieldset").hidden = !kinds.length;
  };

  const makeFindings = (data) => {
    const codes = new Map();
    for (const kind of data.findings) {
      const images = codes.get(kind.code)?.images ?? new Set();
      for (const at of kind.images) images.add(at);
      codes.set(kind.code, { ...kind, images });
    }
    for (const [code, { what, images }] of codes) {
      const label = choice("checkbox", "codes", code, code, images.size);
      label.title = what;
      by("codes").append(label);
    }
    by("no-findings").hidden = codes.size > 0;
    by("severity").closest("label").hidden = !codes.size;
  };

  browse.makePanel = (data) => {
    makeShow(data);
    makeSplits(data);
    for (const { num, name, color, num_images: number } of data.classes)
      by("classes").append(
        choice("checkbox", "classes", String(num), name === String(num) ? name : `${name} (${num})`, number, color),
      );
    by("classes").closest("fieldset").hidden = !data.classes.length;
    by("every").hidden = data.classes.length < 2;
    by("scale").textContent = data.train_hw
      ? `Side of a square of the same area, px at training scale (${data.train_hw[1]} × ${data.train_hw[0]}).`
      : "Side of a square of the same area, px of the image.";
    makeFindings(data);
  };

  browse.readPanel = (state) => ({
    ...state,
    text: by("text").value,
    splits: values("splits"),
    show: values("show")[0] ?? "",
    classes: values("classes").map(Number),
    every: values("every")[0] === "1",
    from: by("from").value,
    to: by("to").value,
    severity: by("severity").value,
    codes: values("codes"),
    sort: by("sort").value,
    down: by("down").getAttribute("aria-pressed") === "true",
  });

  browse.setPanel = (state) => {
    for (const [id, value] of Object.entries({ text: state.text, from: state.from, to: state.to }))
      if (by(id).value !== value) by(id).value = value; // set anew, it would move the cursor
    by("severity").value = state.severity;
    by("sort").value = state.sort;
    by("down").setAttribute("aria-pressed", String(state.down));
    const checked = {
      splits: state.splits,
      show: [state.show],
      classes: state.classes.map(String),
      every: [state.every ? "1" : ""],
      codes: state.codes,
    };
    for (const [name, wanted] of Object.entries(checked))
      for (const input of form.querySelectorAll(`input[name=${name}]`)) input.checked = wanted.includes(input.value);
    for (const button of form.querySelectorAll("[data-to]"))
      button.setAttribute("aria-pressed", String(state.from === "" && state.to === button.dataset.to));
  };

  for (const button of form.querySelectorAll("[data-to]"))
    button.addEventListener("click", () => {
      by("to").value = button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.to;
      by("from").value = "";
      browse.changed();
    });
  form.addEventListener("input", () => browse.changed());
  form.addEventListener("submit", (event) => event.preventDefault());
  by("sort").addEventListener("change", () => browse.changed());
  by("down").addEventListener("click", () => {
    by("down").setAttribute("aria-pressed", String(by("down").getAttribute("aria-pressed") !== "true"));
    browse.changed();
  });
})();
