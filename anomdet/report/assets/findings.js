// The list of findings: filters, and the links of the verdict, which set them.
(() => {
  const at = (id) => document.getElementById(id);
  const items = [...document.querySelectorAll("#finding-list li")];
  const total = Number(at("finding-count").dataset.total);

  const filter = () => {
    const severity = document.querySelector("input[name=severity]:checked").value;
    const code = at("finding-code").value;
    const text = at("finding-text").value.trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      item.hidden =
        (severity && item.dataset.severity !== severity) ||
        (code && item.dataset.code !== code) ||
        (text && !item.textContent.toLowerCase().includes(text));
      shown += !item.hidden;
    }
    const all = items.length < total ? `listed findings; there are ${total.toLocaleString("en")}` : "findings";
    at("finding-count").textContent = `${shown} of ${items.length} ${all}`;
  };

  for (const radio of document.querySelectorAll("input[name=severity]")) radio.addEventListener("change", filter);
  at("finding-code").addEventListener("change", filter);
  at("finding-text").addEventListener("input", filter);
  for (const link of document.querySelectorAll(".severities a")) {
    link.addEventListener("click", () => {
      document.querySelector(`input[name=severity][value="${link.dataset.severity}"]`).checked = true;
      at("finding-code").value = link.dataset.code;
      at("finding-text").value = "";
      filter();
    });
  }
  filter();
})();
