import type { JSX } from "preact";
import type { Problem } from "../data/types.ts";
import { Button, Check, TextField } from "../ui/controls.tsx";
import { ProblemText } from "../ui/problems.tsx";
import { type Draft, fieldOf, type Json, type Path, valueAt } from "./draft.ts";
import { NumberField } from "./number-field.tsx";
import { RuleParts } from "./rule-parts.tsx";
import { problemAt } from "./schema-field.tsx";
import { TargetForm } from "./target-form.tsx";

export interface RuleFormProps {
  readonly index: number;
  /** How many rules there are. */
  readonly count: number;
  readonly draft: Draft;
  readonly set: (path: Path, value: Json | undefined) => void;
  readonly problems: readonly Problem[];
  readonly onOutside: () => void;
}

/** A rule: which requests, where to, and what is done with them on the way. */
export function RuleForm({ index, count, draft, set, problems, onOutside }: RuleFormProps): JSX.Element {
  const rule: Path = ["rules", index];
  const at = (...path: Path): Json | undefined => valueAt(draft, [...rule, ...path]);
  const text = (...path: Path): string => String(at(...path) ?? "");
  const put = (value: Json | undefined, ...path: Path): void => set([...rule, ...path], value);
  const isPool = at("targets") !== undefined;
  const targets: readonly Path[] = isPool
    ? ((at("targets") as readonly Json[]) ?? []).map((_, place) => ["targets", place])
    : [["target"]];
  const addTarget = (): void => {
    const present = isPool ? (at("targets") as readonly Json[]) : [at("target") ?? {}];
    const { target: _, ...others } = (at() ?? {}) as { readonly [key: string]: Json };
    set(rule, {
      ...others,
      targets: [...present, { instance: "", port: Number(valueAt(present[0], ["port"]) ?? 80) }],
    });
  };
  const own = problems.filter(
    ({ field }) =>
      field === fieldOf(rule) ||
      field === fieldOf([...rule, "match"]) ||
      field === fieldOf([...rule, "target"]),
  );
  return (
    <fieldset>
      <legend>{count > 1 ? `Rule ${index + 1}` : "Rule"}</legend>
      {own.map((problem) => (
        <p class="field-error" key={problem.message}>
          <ProblemText problem={problem} />
        </p>
      ))}
      <div class="row host">
        <TextField
          label="Hostname"
          mono
          value={text("match", "hostname")}
          onInput={(value) => put(value === "" ? undefined : value, "match", "hostname")}
          error={problemAt(problems, [...rule, "match", "hostname"])}
          placeholder="shop.example.com"
        />
        <TextField
          label="Path"
          mono
          value={text("match", "path", "value")}
          onInput={(value) =>
            put(
              value === ""
                ? undefined
                : { type: (at("match", "path", "type") as string | undefined) ?? "prefix", value },
              "match",
              "path",
            )
          }
          error={
            problemAt(problems, [...rule, "match", "path"]) ??
            problemAt(problems, [...rule, "match", "path", "value"])
          }
          placeholder="/, every path"
        />
        <NumberField
          label="Port"
          value={at("match", "port")}
          onInput={(value) => put(value, "match", "port")}
          error={problemAt(problems, [...rule, "match", "port"])}
          placeholder="default"
        />
      </div>
      <div class="row">
        <Check
          label="HTTPS, with a certificate of its own"
          checked={at("tls") === true}
          onChange={(isOn) => put(isOn ? true : undefined, "tls")}
        />
        <Check
          label="Redirect HTTP to HTTPS"
          checked={at("redirect_http") === true}
          onChange={(isOn) => put(isOn ? true : undefined, "redirect_http")}
        />
      </div>
      {(["tls", "redirect_http"] as const).map((key) => {
        const problem = problemAt(problems, [...rule, key]);
        return problem === undefined ? null : (
          <p class="field-error" key={key}>
            {problem}
          </p>
        );
      })}
      {targets.map((path, place) => (
        <TargetForm
          key={fieldOf(path)}
          path={[...rule, ...path]}
          draft={draft}
          set={set}
          problems={problems}
          onOutside={onOutside}
          title={targets.length > 1 ? `Target ${place + 1}` : "Leads to"}
          isPool={isPool}
          onRemove={targets.length > 1 ? () => put(undefined, ...path) : undefined}
        />
      ))}
      <RuleParts rule={rule} draft={draft} set={set} problems={problems} />
      <div class="actions">
        <Button kind="plain" icon="plus" onClick={addTarget}>
          Add a target
        </Button>
        {count > 1 && (
          <Button kind="plain" onClick={() => set(rule, undefined)}>
            Remove this rule
          </Button>
        )}
      </div>
    </fieldset>
  );
}
