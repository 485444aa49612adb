import type { JSX } from "preact";

/** Shapes differ as much as colours do: nothing is told by colour alone. */
const paths = {
  ok: "M3.5 8.5l3 3 6-7",
  warn: "M8 2.5l6.2 11H1.8zM8 6.8v3M8 11.6v.1",
  bad: "M4 4l8 8M12 4l-8 8",
  wait: "M8 4.5V8l2.2 1.6M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8z",
  idle: "M4 8h8",
  pause: "M5.5 4v8M10.5 4v8",
  drain: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.4 10.4L14 14",
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  next: "M6 3.5L10.5 8 6 12.5",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, label }: { readonly name: IconName; readonly label?: string }): JSX.Element {
  const told = label === undefined ? { "aria-hidden": true } : { role: "img" as const, "aria-label": label };
  return (
    <svg class="icon" viewBox="0 0 16 16" {...told}>
      <path d={paths[name]} />
    </svg>
  );
}
