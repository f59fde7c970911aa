// What is folded: opened by a link to something inside, drawn to size once it is open, and all of it open on paper.
(() => {
  const folds = () => [...document.querySelectorAll("details")];
  const fit = (fold) => {
    if (!window.Plotly) return;
    for (const plot of fold.querySelectorAll(".plot")) window.Plotly.Plots.resize(plot);
  };
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.closest("details");
    if (!fold || fold.open) return;
    fold.open = true;
    target.scrollIntoView();
  };
  let onPaper = false; // there charts.js scales what is drawn
  for (const fold of folds()) fold.addEventListener("toggle", () => fold.open && !onPaper && fit(fold));
  addEventListener("hashchange", open);
  for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => setTimeout(open));
  let opened = [];
  addEventListener("beforeprint", () => {
    onPaper = true;
    opened = folds().filter((fold) => !fold.open && !fold.querySelector(":scope > pre"));
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    onPaper = false;
    for (const fold of opened) fold.open = false;
  });
  open();
})();
