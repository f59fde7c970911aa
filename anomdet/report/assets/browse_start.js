// Brings it together: the address to the form, the form to the images, keys that work everywhere.
(() => {
  const by = (id) => document.getElementById(id);
  let state = browse.empty();

  browse.say = (text) => {
    by("trouble").hidden = !text;
    by("trouble").textContent = text;
  };

  const show = () => {
    const found = browse.find(state);
    browse.grid.show(found);
    const all = browse.data.length;
    by("count").textContent =
      found.length === all
        ? browse.count(all, "image")
        : `${found.length.toLocaleString("en")} of ${browse.count(all, "image")}`;
    by("done").textContent = `Show ${browse.count(found.length, "image")}`;
    by("nothing").hidden = found.length > 0;
    by("clear").hidden = Object.keys(browse.empty()).every(
      (key) => ["sort", "down", "image"].includes(key) || String(state[key]) === String(browse.empty()[key]),
    );
    return found;
  };

  browse.changed = () => {
    state = browse.readPanel(state);
    browse.setPanel(state);
    browse.writeAddress(state);
    show();
  };

  browse.changeImage = (name) => {
    state.image = name;
    browse.writeAddress(state);
  };

  const restore = () => {
    state = browse.readAddress();
    browse.setPanel(state);
    state = browse.readPanel(state); // without what this data does not have
    const place = show().indexOf(browse.data.names.indexOf(state.image));
    if (state.image && place >= 0) {
      browse.grid.go(place);
      browse.view.open(place);
    } else browse.view.close();
  };

  const clear = () => {
    state = { ...browse.empty(), sort: state.sort, down: state.down };
    browse.setPanel(state);
    browse.writeAddress(state);
    show();
  };

  const toggleFilters = (open) => {
    document.body.classList.toggle("filtering", open);
    by("open-filters").setAttribute("aria-expanded", String(open));
  };

  const tellOfData = ({ notes, general, num_general: number, title }) => {
    document.title = title;
    const more = number > general.length ? [browse.make("li", {}, `and ${(number - general.length).toLocaleString("en")} more: anomdet check`)] : [];
    by("notes-list").replaceChildren(
      ...notes.map((note) => browse.make("li", {}, note)),
      ...general.map(([code, severity, where, message]) =>
        browse.make("li", {}, browse.make("span", { class: `severity ${severity}` }, severity), ` ${code} `, browse.make("code", {}, where), ` ${message}`),
      ),
      ...more,
    );
    by("notes").hidden = !notes.length && !number;
    by("notes-number").textContent = String(notes.length + number);
  };

  const isTyping = (target) => target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "f") by("show-boxes").click();
    else if (event.key === "?") by("help").showModal();
    else if (event.key === "/" && !document.querySelector("dialog[open]")) {
      toggleFilters(true);
      by("text").focus();
    } else return;
    event.preventDefault();
  });
  by("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    toggleFilters(false);
    browse.grid.focus();
  });
  by("show-boxes").addEventListener("change", (event) => document.body.classList.toggle("no-boxes", !event.target.checked));
  by("clear").addEventListener("click", clear);
  by("clear-too").addEventListener("click", clear);
  by("open-filters").addEventListener("click", () => toggleFilters(!document.body.classList.contains("filtering")));
  by("done").addEventListener("click", () => {
    toggleFilters(false);
    browse.grid.focus();
  });
  for (const button of document.querySelectorAll("[data-help]"))
    button.addEventListener("click", () => by("help").showModal());
  by("help-close").addEventListener("click", () => by("help").close());

  browse.start = () => {
    if (!browse.data) {
      browse.say("The data of this page is missing: write the page again with anomdet browse --page.");
      return;
    }
    tellOfData(browse.data);
    browse.makePanel(browse.data);
    restore();
    addEventListener("hashchange", restore);
    if (!browse.view.isOpen()) browse.grid.focus();
  };
  addEventListener("DOMContentLoaded", browse.start);
})();
