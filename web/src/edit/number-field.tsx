import type { JSX } from "preact";
import { TextField } from "../ui/controls.tsx";
import type { Json } from "./draft.ts";

/** A number; what is none is sent as it is written, and the API says what it should be. */
export function NumberField({
  label,
  value,
  onInput,
  error,
  placeholder,
}: {
  readonly label: string;
  readonly value: Json | undefined;
  readonly onInput: (value: Json | undefined) => void;
  readonly error: string | undefined;
  readonly placeholder?: string;
}): JSX.Element {
  const read = (text: string): Json | undefined =>
    text === "" ? undefined : /^\d+$/.test(text) ? Number(text) : text;
  return (
    <TextField
      label={label}
      mono
      value={value === undefined || value === null || value === 0 ? "" : String(value)}
      onInput={(text) => onInput(read(text))}
      error={error}
      placeholder={placeholder}
    />
  );
}
