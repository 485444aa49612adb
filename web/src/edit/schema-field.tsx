import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Problem } from "../data/types.ts";
import { Check, Field, TextField } from "../ui/controls.tsx";
import { fieldOf, type Json, type Path } from "./draft.ts";
import { resolved, type Schema, typeOf } from "./schema.ts";

interface SchemaFieldProps {
  readonly schema: Schema;
  readonly label: string;
  readonly path: Path;
  readonly value: Json | undefined;
  readonly onChange: (value: Json | undefined) => void;
  readonly problems: readonly Problem[];
}

/** What is wrong with a field itself. */
export function problemAt(problems: readonly Problem[], path: Path): string | undefined {
  const field = fieldOf(path);
  return problems.find((problem) => problem.field === field)?.message;
}

/** `requests_per_second` → `Requests per second` */
export function wordsOf(key: string): string {
  const text = key.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * A control for whatever the schema says of a value, with its description as the hint. Nothing is checked here: what is wrong is
 * said by the plan.
 */
export function SchemaField(props: SchemaFieldProps): JSX.Element {
  const schema = resolved(props.schema);
  const type = typeOf(schema);
  if (type === "boolean") return <BooleanField {...props} schema={schema} />;
  if (schema.enum !== undefined) return <ChoiceField {...props} schema={schema} />;
  if (type === "object" && schema.properties !== undefined)
    return <ObjectFields {...props} schema={schema} />;
  if (type === "object") return <MapField {...props} schema={schema} />;
  if (type === "array") return <ListField {...props} schema={schema} />;
  return <ScalarField {...props} schema={schema} isNumber={type === "integer" || type === "number"} />;
}

function BooleanField({ schema, label, value, onChange }: SchemaFieldProps): JSX.Element {
  return (
    <Check
      label={label}
      checked={value === true}
      hint={schema.description}
      onChange={(isOn) => onChange(isOn ? true : undefined)}
    />
  );
}

function ChoiceField({ schema, label, path, value, onChange, problems }: SchemaFieldProps): JSX.Element {
  const fallback = schema.default === undefined ? "default" : `default: ${String(schema.default)}`;
  return (
    <Field label={label} hint={schema.description} error={problemAt(problems, path)}>
      {(props) => (
        <select
          {...props}
          value={String(value ?? "")}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        >
          <option value="">{fallback}</option>
          {schema.enum?.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function ObjectFields({ schema, label, path, value, onChange, problems }: SchemaFieldProps): JSX.Element {
  const present = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}) as {
    readonly [key: string]: Json;
  };
  const set = (key: string, next: Json | undefined): void => {
    const { [key]: _, ...others } = present;
    onChange(next === undefined ? others : { ...others, [key]: next });
  };
  return (
    <fieldset class="inner">
      <legend>{label}</legend>
      {schema.description !== undefined && <p class="hint">{schema.description}</p>}
      {problemAt(problems, path) !== undefined && <p class="field-error">{problemAt(problems, path)}</p>}
      {Object.entries(schema.properties ?? {}).map(([key, one]) => (
        <SchemaField
          key={key}
          schema={one}
          label={wordsOf(key)}
          path={[...path, key]}
          value={present[key]}
          // A part that has nothing in it is left out: an empty one would mean something.
          onChange={(next) => set(key, isEmpty(next) ? undefined : next)}
          problems={problems}
        />
      ))}
    </fieldset>
  );
}

function isEmpty(value: Json | undefined): boolean {
  return (
    value === undefined ||
    (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0)
  );
}

interface TextualProps extends SchemaFieldProps {
  readonly isNumber?: boolean;
}

function ScalarField({
  schema,
  label,
  path,
  value,
  onChange,
  problems,
  isNumber = false,
}: TextualProps): JSX.Element {
  const read = (text: string): Json | undefined => {
    if (text === "") return undefined;
    // A number that is none is sent as it is written: the API says what it should be.
    return isNumber && text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  return (
    <TextField
      label={label}
      hint={schema.description}
      error={problemAt(problems, path)}
      value={value === undefined || value === null ? "" : String(value)}
      placeholder={schema.default === undefined ? undefined : String(schema.default)}
      onInput={(text) => onChange(read(text))}
    />
  );
}

/** One a line, or separated by commas. */
function ListField({ schema, label, path, value, onChange, problems }: SchemaFieldProps): JSX.Element {
  const isNumber = typeOf(resolved(schema.items)) === "integer";
  const present = Array.isArray(value) ? (value as readonly Json[]).join("\n") : "";
  const read = (text: string): Json | undefined => {
    const parts = text.split(/[\n,]+/).flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
    if (parts.length === 0) return undefined;
    return isNumber ? parts.map((part) => (Number.isNaN(Number(part)) ? part : Number(part))) : parts;
  };
  const inner = problems.find(({ field = "" }) => field.startsWith(`${fieldOf(path)}[`));
  return (
    <Lines
      label={label}
      hint={schema.description}
      error={problemAt(problems, path) ?? inner?.message}
      present={present}
      onText={(text) => onChange(read(text))}
      placeholder="one a line"
    />
  );
}

/** `key: value`, one a line. */
function MapField({ schema, label, path, value, onChange, problems }: SchemaFieldProps): JSX.Element {
  const present = Object.entries((value ?? {}) as { readonly [key: string]: Json })
    .map(([key, text]) => `${key}: ${String(text)}`)
    .join("\n");
  const read = (text: string): Json | undefined => {
    const entries = text.split("\n").flatMap((line) => {
      const at = line.indexOf(":");
      if (line.trim() === "") return [];
      return [at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]];
    });
    return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Json);
  };
  const inner = problems.find(({ field = "" }) => field.startsWith(`${fieldOf(path)}.`));
  return (
    <Lines
      label={label}
      hint={schema.description}
      error={problemAt(problems, path) ?? inner?.message}
      present={present}
      onText={(text) => onChange(read(text))}
      placeholder="key: value"
    />
  );
}

interface LinesProps {
  readonly label: string;
  readonly hint: string | undefined;
  readonly error: string | undefined;
  readonly present: string;
  readonly placeholder: string;
  readonly onText: (text: string) => void;
}

/** Keeps what is typed as it is typed, while it is not left. */
function Lines({ label, hint, error, present, placeholder, onText }: LinesProps): JSX.Element {
  const [typed, setTyped] = useState<string>();
  const text = typed ?? present;
  return (
    <Field label={label} error={error} {...(hint === undefined ? {} : { hint })}>
      {(props) => (
        <textarea
          {...props}
          class="mono"
          rows={Math.min(8, Math.max(2, text.split("\n").length))}
          spellcheck={false}
          placeholder={placeholder}
          value={text}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            onText(event.currentTarget.value);
          }}
          onBlur={() => setTyped(undefined)}
        />
      )}
    </Field>
  );
}
