import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useStore } from "../data/store.ts";
import type { Problem } from "../data/types.ts";
import { Button, Field } from "../ui/controls.tsx";
import { type Draft, fieldOf, type Json, type Path, valueAt } from "./draft.ts";
import { ingressSchema, resolved, schemaAt, schemas } from "./schema.ts";
import { SchemaField, wordsOf } from "./schema-field.tsx";

/** Parts of a rule beside its policies that the form has no place of their own for. */
const parts: readonly Path[] = [
  ["match", "protocol"],
  ["match", "methods"],
  ["match", "headers"],
  ["request_header_auth"],
  ["tls_options"],
  ["upstream"],
];

/** Everything else that a rule may have, each by its schema. */
export function RuleParts({
  rule,
  draft,
  set,
  problems,
}: {
  readonly rule: Path;
  readonly draft: Draft;
  readonly set: (path: Path, value: Json | undefined) => void;
  readonly problems: readonly Problem[];
}): JSX.Element | null {
  const isLoaded = useStore(schemas) !== undefined;
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  if (!isLoaded) return null;
  const policies = Object.keys(schemaAt(ingressSchema, [...rule, "policies"]).properties ?? {}).map(
    (key): Path => ["policies", key],
  );
  const all = [...policies, ...parts];
  const isShown = (path: Path): boolean =>
    opened.has(fieldOf(path)) || valueAt(draft, [...rule, ...path]) !== undefined;
  const open = (field: string): void => {
    const path = all.find((one) => fieldOf(one) === field);
    if (path === undefined) return;
    setOpened(new Set([...opened, field]));
    const schema = resolved(schemaAt(ingressSchema, [...rule, ...path]));
    if (schema.type === "boolean") set([...rule, ...path], true);
    // `maintenance: {}` is a policy as it is.
    else if (
      schema.properties !== undefined &&
      (schema.required ?? []).length === 0 &&
      fieldOf(path) === "policies.maintenance"
    )
      set([...rule, ...path], {});
  };
  const remove = (path: Path): void => {
    setOpened(new Set([...opened].filter((one) => one !== fieldOf(path))));
    set([...rule, ...path], undefined);
    const left = Object.keys((valueAt(draft, [...rule, "policies"]) ?? {}) as object).filter(
      (key) => key !== path[1],
    );
    if (path[0] === "policies" && left.length === 0) set([...rule, "policies"], undefined);
  };
  return (
    <>
      {all.filter(isShown).map((path) => (
        <div class="part" key={fieldOf(path)}>
          <SchemaField
            schema={schemaAt(ingressSchema, [...rule, ...path])}
            label={wordsOf(String(path.at(-1)))}
            path={[...rule, ...path]}
            value={valueAt(draft, [...rule, ...path])}
            onChange={(value) => set([...rule, ...path], value)}
            problems={problems}
          />
          <Button
            kind="plain"
            icon="close"
            label={`Remove ${wordsOf(String(path.at(-1)))}`}
            onClick={() => remove(path)}
          />
        </div>
      ))}
      <Field label="Add a policy">
        {(props) => (
          <select {...props} class="adding" value="" onChange={(event) => open(event.currentTarget.value)}>
            <option value="">rate limit, access, headers …</option>
            {all
              .filter((path) => !isShown(path))
              .map((path) => (
                <option key={fieldOf(path)} value={fieldOf(path)}>
                  {wordsOf(String(path.at(-1)))}
                </option>
              ))}
          </select>
        )}
      </Field>
    </>
  );
}
