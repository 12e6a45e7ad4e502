"use strict";
// Light or dark: as the system has it, until the button was used. Set before anything is drawn.

(() => {
  const KEY = "openbook-theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // Some browsers forbid storage to pages from disk.
  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It holds until the page is closed.
    }
  }

  function set(theme) {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = theme === "dark" ? "Light" : "Dark";
    if (button) button.setAttribute("aria-label", theme === "dark" ? "Light colours" : "Dark colours");
  }

  let chosen = remembered();
  const current = () => (chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light");
  set(current());
  dark.addEventListener("change", () => set(current()));
  document.addEventListener("DOMContentLoaded", () => {
    set(current());
    document.getElementById("theme").addEventListener("click", () => {
      chosen = current() === "dark" ? "light" : "dark";
      remember(chosen);
      set(chosen);
    });
  });
})();
