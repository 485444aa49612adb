import { Store } from "../data/store.ts";

const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];
const KEY = "gatewright-theme";

function stored(): Theme {
  const text = localStorage.getItem(KEY);
  return themes.find((one) => one === text) ?? "system";
}

export const theme = new Store<Theme>(stored());

function show(wanted: Theme): void {
  if (wanted === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = wanted;
}

show(theme.value);

export function nextTheme(): void {
  const next = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "system";
  localStorage.setItem(KEY, next);
  theme.set(next);
  show(next);
}
