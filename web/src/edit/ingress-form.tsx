import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Problem } from "../data/types.ts";
import { Button, TextField } from "../ui/controls.tsx";
import { type Draft, type Json, type Path, valueAt, withValue } from "./draft.ts";
import { RuleForm } from "./rule-form.tsx";
import { problemAt } from "./schema-field.tsx";

export interface FormProps {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly problems: readonly Problem[];
  /** Asks for the plan again: something outside of the document has changed. */
  readonly onOutside: () => void;
}

const firstRule: Json = { match: { hostname: "" }, target: { instance: "", port: 80 } };

/** An ingress as a form. What the form does not show stays in the document as it is. */
export function IngressForm({ draft, onChange, problems, onOutside }: FormProps): JSX.Element {
  const set = (path: Path, value: Json | undefined): void => onChange(withValue(draft, path, value));
  const rules = (valueAt(draft, ["rules"]) ?? []) as readonly Json[];
  return (
    <div class="form">
      <div class="row">
        <TextField
          label="Name"
          value={String(draft["name"] ?? "")}
          onInput={(text) => set(["name"], text)}
          error={problemAt(problems, ["name"])}
          placeholder="shop"
        />
        <Tags
          tags={draft["tags"]}
          error={problems.find(({ field = "" }) => field.startsWith("tags"))?.message}
          onChange={(tags) => set(["tags"], tags)}
        />
      </div>
      {rules.map((_rule, index) => (
        <RuleForm
          // a rule has no name but its place
          key={index}
          index={index}
          count={rules.length}
          draft={draft}
          set={set}
          problems={problems}
          onOutside={onOutside}
        />
      ))}
      <div>
        <Button icon="plus" onClick={() => set(["rules", rules.length], firstRule)}>
          Add a rule
        </Button>
      </div>
    </div>
  );
}

function Tags({
  tags,
  error,
  onChange,
}: {
  readonly tags: Json | undefined;
  readonly error: string | undefined;
  readonly onChange: (tags: Json | undefined) => void;
}): JSX.Element {
  const text = Object.entries((tags ?? {}) as { readonly [key: string]: Json })
    .map(([key, value]) => (value === "" ? key : `${key}=${String(value)}`))
    .join(", ");
  const read = (typed: string): void => {
    const parts = typed.split(",").filter((part) => part.trim() !== "");
    const entries = parts.map((part) => {
      const [key = "", ...value] = part.split("=");
      return [key.trimStart(), value.join("=").trimStart()];
    });
    onChange(entries.length === 0 ? undefined : Object.fromEntries(entries));
  };
  return (
    <TypedField label="Tags" text={text} onText={read} error={error} placeholder="team=shop, stage=prod" />
  );
}

/** A text that is read into something else: what is typed stays as it is until the field is left. */
function TypedField({
  label,
  text,
  onText,
  error,
  placeholder,
}: {
  readonly label: string;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly error: string | undefined;
  readonly placeholder: string;
}): JSX.Element {
  const [typed, setTyped] = useState<string>();
  return (
    <div onFocusOut={() => setTyped(undefined)}>
      <TextField
        label={label}
        value={typed ?? text}
        error={error}
        placeholder={placeholder}
        onInput={(next) => {
          setTyped(next);
          onText(next);
        }}
      />
    </div>
  );
}
