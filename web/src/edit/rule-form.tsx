import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import { refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type { Instance, Problem } from "../data/types.ts";
import { putInstance } from "../pages/instances.tsx";
import { announce } from "../ui/announce.tsx";
import { Button, Check, Field, TextField } from "../ui/controls.tsx";
import { ProblemText } from "../ui/problems.tsx";
import { type Draft, fieldOf, type Json, type Path, valueAt } from "./draft.ts";
import { ingressSchema, resolved, schemaAt, schemas } from "./schema.ts";
import { problemAt, SchemaField, wordsOf } from "./schema-field.tsx";

interface RuleFormProps {
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
      <More rule={rule} draft={draft} set={set} problems={problems} />
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

function NumberField({
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

const kinds = ["instance", "service", "address"] as const;

interface TargetFormProps extends Omit<RuleFormProps, "index" | "count"> {
  readonly path: Path;
  readonly title: string;
  readonly isPool: boolean;
  readonly onRemove: (() => void) | undefined;
}

function TargetForm({
  path,
  draft,
  set,
  problems,
  onOutside,
  title,
  isPool,
  onRemove,
}: TargetFormProps): JSX.Element {
  const target = (valueAt(draft, path) ?? {}) as { readonly [key: string]: Json };
  const kind = kinds.find((one) => target[one] !== undefined) ?? "instance";
  const name = String(target[kind] ?? "");
  const who = useStore(session);
  const instances = useResource("instance names", async (signal) =>
    refusal("instance:read", who) === undefined ? get<readonly Instance[]>("/instances", {}, signal) : [],
  );
  const known =
    kind === "service"
      ? [...new Set(instances.data?.flatMap(({ service }) => service ?? []))]
      : (instances.data ?? []).slice(0, MOST_OFFERED).map((one) => one.name);
  const change = (wanted: string): void => {
    const { instance: _, service: __, address: ___, ...others } = target;
    set(path, { [wanted]: name, ...others });
  };
  const isUnknown =
    problems.some(
      ({ code, field = "" }) => code === "instance_not_found" && field.startsWith(fieldOf(path)),
    ) &&
    kind === "instance" &&
    name !== "";
  return (
    <>
      <div class="row target">
        <Field label={title}>
          {(props) => (
            <select {...props} value={kind} onChange={(event) => change(event.currentTarget.value)}>
              <option value="instance">an instance</option>
              <option value="service">a service</option>
              <option value="address">an address</option>
            </select>
          )}
        </Field>
        <TextField
          label={kind === "address" ? "IP address or DNS name" : "Name"}
          mono
          value={name}
          {...(kind === "address" ? {} : { list: known })}
          onInput={(text) => set([...path, kind], text)}
          error={problemAt(problems, [...path, kind]) ?? problemAt(problems, path)}
          placeholder={kind === "address" ? "10.0.0.5" : kind === "service" ? "shop" : "shop-1"}
        />
        <NumberField
          label="Port"
          value={target["port"]}
          onInput={(value) => set([...path, "port"], value)}
          error={problemAt(problems, [...path, "port"])}
        />
        {isPool && (
          <NumberField
            label="Weight"
            value={target["weight"]}
            onInput={(value) => set([...path, "weight"], value)}
            error={problemAt(problems, [...path, "weight"])}
            placeholder="1"
          />
        )}
      </div>
      {isUnknown && <UnknownInstance name={name} onAdded={onOutside} />}
      {onRemove !== undefined && (
        <div>
          <Button kind="plain" label={`Remove ${title.toLowerCase()}`} onClick={onRemove}>
            Remove
          </Button>
        </div>
      )}
    </>
  );
}

/** Names beyond these are typed. */
const MOST_OFFERED = 500;

/** An instance that is not there yet can be added where it is missed. */
function UnknownInstance({
  name,
  onAdded,
}: {
  readonly name: string;
  readonly onAdded: () => void;
}): JSX.Element | null {
  const [ip, setIp] = useState("");
  const [error, setError] = useState<ApiError>();
  const add = async (): Promise<void> => {
    try {
      await putInstance(name, ip.trim());
      announce(`The instance ${name} was added.`);
      onAdded();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  return (
    <div class="unknown">
      <TextField
        label={`Is ${name} new? Its IP address`}
        mono
        value={ip}
        onInput={setIp}
        placeholder="10.0.0.5"
        error={error?.message}
      />
      <Button
        scope="instance:write"
        blocked={ip.trim() === "" ? "Enter its address first." : undefined}
        onClick={() => void add()}
      >
        Add the instance
      </Button>
    </div>
  );
}

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
function More({
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
