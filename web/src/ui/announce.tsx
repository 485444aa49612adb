import type { JSX } from "preact";
import { Store, useStore } from "../data/store.ts";

const said = new Store("");

/** Says something to screen readers, and shows it for a while. */
export function announce(text: string): void {
  said.set("");
  setTimeout(() => said.set(text), 30);
  clearTimeout(gone);
  gone = setTimeout(() => said.set(""), SHOWN_MS);
}

const SHOWN_MS = 6_000;
let gone: ReturnType<typeof setTimeout> | undefined;

export function Announcer(): JSX.Element {
  const text = useStore(said);
  return (
    <div class="announcer" role="status" aria-live="polite">
      {text !== "" && <p>{text}</p>}
    </div>
  );
}
