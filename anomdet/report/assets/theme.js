// The scheme: the system's until the button is used. Set before anything is drawn, so that nothing flashes.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const current = () => chosen ?? (system.matches ? "dark" : "light");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = theme === "dark" ? "Light scheme" : "Dark scheme";
    document.dispatchEvent(new Event("themechange"));
  };
  apply(current());
  system.addEventListener("change", () => apply(current()));
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      chosen = current() === "dark" ? "light" : "dark";
      apply(chosen);
    });
    apply(current());
  });
  addEventListener("beforeprint", () => apply("light")); // ink on paper
  addEventListener("afterprint", () => apply(current()));
})();
