import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icons.tsx";

export type Tone = "ok" | "warn" | "bad" | "quiet";

const marks: { readonly [tone in Tone]: IconName } = { ok: "ok", warn: "warn", bad: "bad", quiet: "idle" };

/** A state in a word, with its mark. */
export function State({
  tone,
  icon,
  children,
  title,
}: {
  readonly tone: Tone;
  readonly icon?: IconName;
  readonly children: ComponentChildren;
  readonly title?: string | undefined;
}): JSX.Element {
  return (
    <span class={`state ${tone}`} title={title}>
      <Icon name={icon ?? marks[tone]} />
      <span>{children}</span>
    </span>
  );
}

/** A notice in the page. */
export function Notice({
  tone,
  title,
  children,
}: {
  readonly tone: Tone;
  readonly title: ComponentChildren;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={marks[tone]} />
      <div>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}
