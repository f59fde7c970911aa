// The gallery: filters, and a dialog that enlarges a case and steps through those that the filters let through.
(() => {
  const PAGE = 24;
  const cases = [...document.querySelectorAll("#cases .case")];
  const at = (id) => document.getElementById(id);
  const dialog = at("case-dialog");
  let found = cases;
  let limit = PAGE;
  let place = 0;

  const show = () => {
    const visible = new Set(found.slice(0, limit));
    for (const item of cases) item.hidden = !visible.has(item);
    const count = found.length > visible.size ? `${visible.size} of ${found.length}` : found.length;
    at("case-count").textContent = `${count} ${at("case-count").dataset.noun}`;
    at("more-cases").hidden = found.length <= visible.size;
    at("more-cases").textContent = `Show ${Math.min(PAGE, found.length - visible.size)} more`;
  };

  const filter = () => {
    const kind = document.querySelector("input[name=kind]:checked").value;
    const name = at("case-class").value;
    const [outcome] = kind.split(":").slice(1);
    found = cases.filter(
      (item) =>
        (!kind || (outcome ? item.dataset.outcome === outcome : item.dataset.kind === kind)) && (!name || item.dataset.classes.split(" ").includes(name)),
    );
    limit = PAGE;
    show();
  };

  const fill = () => {
    const item = found[place];
    at("case-title").textContent = item.querySelector("h3").textContent;
    at("case-picture").replaceChildren(item.querySelector(".frame").cloneNode(true));
    at("case-file").textContent = item.querySelector(".file").title;
    at("case-facts").replaceChildren(...item.querySelector(".facts").cloneNode(true).childNodes);
    at("case-place").textContent = `${place + 1} of ${found.length}`;
    at("case-previous").disabled = place === 0;
    at("case-next").disabled = place === found.length - 1;
  };

  const step = (by) => {
    const next = Math.min(Math.max(place + by, 0), found.length - 1);
    if (next === place) return;
    place = next;
    fill();
  };

  at("cases").addEventListener("click", (event) => {
    const item = event.target.closest("button.picture")?.closest(".case");
    if (!item) return;
    place = found.indexOf(item);
    fill();
    dialog.showModal();
  });
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  // Back to the case that was seen last.
  dialog.addEventListener("close", () => {
    limit = Math.max(limit, Math.ceil((place + 1) / PAGE) * PAGE);
    show();
    found[place].querySelector("button.picture").focus();
  });
  at("case-close").addEventListener("click", () => dialog.close());
  at("case-previous").addEventListener("click", () => step(-1));
  at("case-next").addEventListener("click", () => step(1));
  at("more-cases").addEventListener("click", () => {
    limit += PAGE;
    show();
  });
  for (const radio of document.querySelectorAll("input[name=kind]")) radio.addEventListener("change", filter);
  at("case-class").addEventListener("change", filter);
  at("show-boxes").addEventListener("change", (event) => {
    at("cases").closest("section").classList.toggle("no-boxes", !event.target.checked);
  });
  // On paper stand all cases that were asked for.
  let before = PAGE;
  addEventListener("beforeprint", () => {
    before = limit;
    limit = found.length;
    for (const image of document.querySelectorAll("#cases img")) image.loading = "eager";
    show();
  });
  addEventListener("afterprint", () => {
    limit = before;
    show();
  });
  // The first images of the page are those of the gallery.
  for (const item of document.querySelectorAll(".strip [data-case]")) {
    const own = cases[Number(item.dataset.case)];
    item.append(own.querySelector(".frame").cloneNode(true));
    item.addEventListener("click", () => {
      document.querySelector("input[name=kind][value='']").checked = true;
      at("case-class").value = "";
      filter();
      place = found.indexOf(own);
      fill();
      dialog.showModal();
    });
  }
  filter();
})();
