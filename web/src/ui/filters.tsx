import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useStore } from "../data/store.ts";
import { route, setQuery } from "../router.ts";
import { TextField } from "./controls.tsx";

/** What is typed in this time is one question. */
const TYPING_MS = 120;

interface QueryFieldProps {
  /** Key of the page's address. */
  readonly name: string;
  readonly label: string;
  readonly placeholder?: string;
  /** It takes the room that others leave. */
  readonly isWide?: boolean;
}

/** A filter that stands in the address of the page. */
export function QueryField({ name, label, placeholder, isWide = false }: QueryFieldProps): JSX.Element {
  const { query } = useStore(route);
  const given = query.get(name) ?? "";
  const [text, setText] = useState(given);
  useEffect(() => setText(given), [given]);
  useEffect(() => {
    if (text === given) return;
    const timer = setTimeout(() => setQuery({ [name]: text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, given, name]);
  const field = (
    <TextField label={label} type="search" value={text} onInput={setText} placeholder={placeholder} />
  );
  return isWide ? <div class="wide field">{field}</div> : field;
}
