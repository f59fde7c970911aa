// Filters, keys and buttons; one suspect at a time, the most probable first.
(() => {
  const by = (id) => document.getElementById(id);
  let found = [];
  let place = 0;

  review.say = (text) => {
    by("trouble").hidden = !text;
    by("trouble").textContent = text;
  };

  const current = () => found[place];

  const show = () => {
    const one = current();
    review.draw(one);
    review.tell(one);
    const all = review.data.suspects.length;
    const [accepted, rejected, skipped] = ["accept", "reject", "skip"].map(review.count);
    const decided = accepted + rejected + skipped;
    by("bar").value = all ? decided / all : 1;
    const number = (value) => value.toLocaleString("en");
    by("progress").textContent = `${number(decided)} of ${number(all)} decided: ${number(accepted)} accepted, ${number(rejected)} rejected, ${number(skipped)} skipped`;
    by("place").textContent = one ? `${number(place + 1)} of ${number(found.length)}` : "";
    for (const button of document.querySelectorAll("[data-decision]")) {
      button.disabled = !one;
      button.setAttribute("aria-pressed", String(Boolean(one) && review.decisionOf(one.id) === button.dataset.decision));
    }
    by("previous").disabled = place <= 0;
    by("next").disabled = place >= found.length - 1;
    by("export").disabled = !decided;
    review.preload(found[place + 1]);
  };

  const filter = () => {
    const before = current()?.id;
    found = review.find({ kind: by("kind").value, classNum: by("class").value, show: by("show").value });
    place = Math.max(found.findIndex((one) => one.id === before), 0);
    show();
  };

  const step = (by_) => {
    place = Math.min(Math.max(place + by_, 0), Math.max(found.length - 1, 0));
    show();
  };

  // The list does not change under the hand that decides: what no longer fits the filter goes at the next filtering.
  const decide = (decision) => {
    if (!current()) return;
    review.decide(current().id, decision);
    if (place < found.length - 1) place += 1;
    show();
  };

  const undo = () => {
    const id = review.undo();
    const at = found.findIndex((one) => one.id === id);
    if (at >= 0) place = at;
    show();
  };

  const download = () => {
    const text = JSON.stringify(review.document(), null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "decisions.json";
    link.click();
    URL.revokeObjectURL(link.href);
  };

  const actions = {
    a: () => decide("accept"),
    r: () => decide("reject"),
    s: () => decide("skip"),
    u: undo,
    j: () => step(1),
    k: () => step(-1),
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    z: () => {
      review.toggleWhole();
      show();
    },
    f: () => by("boxes").click(),
    e: () => by("export").click(),
    "?": () => by("help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select") || by("help").open) return;
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });

  const option = (value, text) => {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    return element;
  };

  const start = () => {
    const { kinds, meanings, classes } = review.data;
    by("kind").append(...Object.keys(meanings).map((kind) => option(kind, `${kind} (${kinds[kind].num_suspects})`)));
    by("class").append(...classes.map((one) => option(String(one.num), one.name)));
    for (const id of ["kind", "class", "show"]) by(id).addEventListener("change", filter);
    for (const button of document.querySelectorAll("[data-decision]"))
      button.addEventListener("click", () => decide(button.dataset.decision));
    by("previous").addEventListener("click", () => step(-1));
    by("next").addEventListener("click", () => step(1));
    by("undo").addEventListener("click", undo);
    by("zoom").addEventListener("click", actions.z);
    by("export").addEventListener("click", download);
    by("open-help").addEventListener("click", () => by("help").showModal());
    by("help-close").addEventListener("click", () => by("help").close());
    by("boxes").addEventListener("change", (event) => document.body.classList.toggle("no-boxes", !event.target.checked));
    addEventListener("resize", show);
    review.restore();
    filter();
    const open = found.findIndex((one) => !review.decisionOf(one.id)); // where the last visit ended
    if (open > 0) step(open);
  };
  addEventListener("DOMContentLoaded", start);
})();
