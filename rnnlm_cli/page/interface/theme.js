/* Light or dark: as the system has it, or as the reader chooses. */

function setUpTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => document.querySelector("input[name=theme]:checked").value;
  const apply = () => {
    const isDark = chosen() === "system" ? system.matches : chosen() === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  system.addEventListener("change", apply);
  for (const input of document.querySelectorAll("input[name=theme]")) {
    input.addEventListener("change", apply);
  }
  apply();
}
