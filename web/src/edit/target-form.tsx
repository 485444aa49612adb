import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import { refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type { Instance } from "../data/types.ts";
import { putInstance } from "../pages/instances.tsx";
import { announce } from "../ui/announce.tsx";
import { Button, Field, TextField } from "../ui/controls.tsx";
import { fieldOf, type Json, type Path, valueAt } from "./draft.ts";
import { NumberField } from "./number-field.tsx";
import type { RuleFormProps } from "./rule-form.tsx";
import { problemAt } from "./schema-field.tsx";

const kinds = ["instance", "service", "address"] as const;

interface TargetFormProps extends Omit<RuleFormProps, "index" | "count"> {
  readonly path: Path;
  readonly title: string;
  readonly isPool: boolean;
  readonly onRemove: (() => void) | undefined;
}

/** Where the requests go, or a share of them. */
export function TargetForm({
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
  // What fits what is typed: there may be more than anybody wants to be sent.
  const isAsked = name.length >= LEAST_TYPED && refusal("instance:read", who) === undefined;
  const instances = useResource(`instance names ${isAsked ? name : ""}`, async (signal) =>
    isAsked ? get<readonly Instance[]>("/instances", { q: name }, signal) : [],
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
              <option value="instance">instance</option>
              <option value="service">service</option>
              <option value="address">address</option>
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
        {onRemove !== undefined && (
          <Button kind="plain" icon="close" label={`Remove ${title.toLowerCase()}`} onClick={onRemove} />
        )}
      </div>
      {isUnknown && <UnknownInstance name={name} onAdded={onOutside} />}
    </>
  );
}

/** Names beyond these are typed. */
const LEAST_TYPED = 2;
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
