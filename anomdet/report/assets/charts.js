// Draws the charts of #figures; the switches show and hide the curves of a class in all of them, and a select with
// data-chart shows one of several traces.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = {
    displaylogo: false,
    responsive: true,
    plotlyServerURL: "", // nothing leaves the page
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  const switches = [...document.querySelectorAll("#switches input")];

  const shown = () => new Set(switches.filter((box) => box.checked).map((box) => Number(box.dataset.class)));

  // Values of keys that end in "color" and begin with two dashes are CSS variables.
  const colored = (value, key, style) => {
    if (Array.isArray(value)) return value.map((item) => colored(item, key, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, colored(item, name, style)]));
    }
    const variable = typeof value === "string" && /color(scale)?$/.test(key) && value.startsWith("--");
    return variable ? style.getPropertyValue(value).trim() : value;
  };

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const visible = shown();
    for (const figure of figures) {
      const { data, layout } = colored({ data: figure.data, layout: figure.layout }, "", style);
      for (const trace of data) {
        if (typeof trace.meta === "number") trace.visible = visible.has(trace.meta);
        if (typeof trace.meta === "string") {
          const [id, value] = trace.meta.split(":");
          trace.visible = document.getElementById(id).value === value;
        }
      }
      Plotly.react(`plot-${figure.key}`, data, { ...layout, uirevision: "kept" }, config);
    }
  };

  // On paper a chart is as wide as its column: what was drawn for the screen is scaled as a whole.
  const containers = () => document.querySelectorAll(".plot .svg-container");
  const fitToPaper = () => {
    for (const container of containers()) {
      const drawings = [...container.querySelectorAll(".main-svg")];
      const [width, height] = ["width", "height"].map((side) => Number(drawings[0]?.getAttribute(side)));
      if (!width || !height) continue;
      container.dataset.screen = container.style.cssText;
      container.style.cssText = `position: relative; width: 100%; aspect-ratio: ${width} / ${height};`;
      for (const drawing of drawings) {
        drawing.dataset.screen = drawing.style.cssText;
        drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
        drawing.style.width = drawing.style.height = "100%";
      }
    }
  };
  const fitToScreen = () => {
    for (const container of containers()) {
      for (const item of [container, ...container.querySelectorAll(".main-svg")]) {
        if (item.dataset.screen === undefined) continue;
        item.style.cssText = item.dataset.screen;
        delete item.dataset.screen;
        item.removeAttribute("viewBox");
      }
    }
  };

  const setClasses = (checked) => {
    for (const box of switches) box.checked = checked || box.dataset.class === "-1";
    draw();
  };

  for (const box of switches) box.addEventListener("change", draw);
  for (const select of document.querySelectorAll("select[data-chart]")) select.addEventListener("change", draw);
  document.getElementById("every-class")?.addEventListener("click", () => setClasses(true));
  document.getElementById("no-class")?.addEventListener("click", () => setClasses(false));
  document.addEventListener("themechange", draw);
  addEventListener("beforeprint", fitToPaper);
  addEventListener("afterprint", fitToScreen);
  draw();
})();
