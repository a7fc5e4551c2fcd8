"use strict";
// Runs before the first paint. The choice is kept where the browser allows it.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("edgedescent-theme"); } catch { /* a page without storage */ }
  const apply = () => {
    root.dataset.theme = chosen || (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("themechange"));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(root.dataset.theme === "dark"));
    show();
    document.addEventListener("themechange", show);
    button.addEventListener("click", () => {
      chosen = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("edgedescent-theme", chosen); } catch { /* a page without storage */ }
      apply();
    });
  });
})();
