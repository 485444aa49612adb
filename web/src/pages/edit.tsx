import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, call, segment } from "../data/client.ts";
import { useStore } from "../data/store.ts";
import type { Ingress } from "../data/types.ts";
import { type Draft, valueAt, withValue } from "../edit/draft.ts";
import { IngressForm } from "../edit/ingress-form.tsx";
import { ingressSchema, loadSchemas } from "../edit/schema.ts";
import { TextEditor } from "../edit/text-editor.tsx";
import { usePlan } from "../edit/use-plan.ts";
import { useText } from "../edit/use-text.ts";
import { go, href, route, setQuery } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, TextField } from "../ui/controls.tsx";
import { Failure, Loaded, Page } from "../ui/page.tsx";
import { PlanView } from "../ui/plan.tsx";
import { Notice } from "../ui/status.tsx";
import { useIngress, type Versioned, versioned } from "./ingress.tsx";

/** A new ingress. */
export function NewPage(): JSX.Element {
  const { query } = useStore(route);
  const start = useMemo(
    (): Draft => ({
      name: "",
      rules: [{ match: { hostname: "" }, target: { instance: query.get("instance") ?? "", port: 80 } }],
    }),
    [query],
  );
  const [first] = useState(start);
  return (
    <Page title="New ingress" up={{ href: href(["ingresses"]), label: "Ingresses" }}>
      <Editor start={first} />
    </Page>
  );
}

/** A change of one, for the version that it was begun with. */
export function EditPage({ id }: { readonly id: string }): JSX.Element {
  const resource = useIngress(id);
  const [begun, setBegun] = useState<Versioned>();
  useEffect(() => setBegun((old) => old ?? resource.data), [resource.data]);
  return (
    <Page
      title={`Edit ${begun?.ingress.name ?? id}`}
      up={{ href: href(["ingresses", id]), label: begun?.ingress.name ?? id }}
    >
      <Loaded of={begun === undefined ? resource : { ...resource, data: begun, error: undefined }}>
        {(data) => (
          <Editor start={draftOf(data.ingress)} of={data} latest={resource.data} reload={resource.reload} />
        )}
      </Loaded>
    </Page>
  );
}

/** What may be written of an ingress. */
function draftOf({ id: _, created_at: __, updated_at: ___, owner: ____, ...rest }: Ingress): Draft {
  return rest as unknown as Draft;
}

interface EditorProps {
  readonly start: Draft;
  /** What is changed; absent for a new one. */
  readonly of?: Versioned;
  /** The newest version of it. */
  readonly latest?: Versioned | undefined;
  /** Asks for the newest version: without events nobody tells of it. */
  readonly reload?: () => void;
}

const views = [
  { key: "", label: "Form" },
  { key: "yaml", label: "YAML" },
  { key: "json", label: "JSON" },
] as const;

function Editor({ start, of, latest, reload }: EditorProps): JSX.Element {
  const { path, query } = useStore(route);
  const view = query.get("as") ?? "";
  const [draft, setDraft] = useState(start);
  const [base, setBase] = useState(of);
  const [message, setMessage] = useState("");
  const [error, setError] = useState<ApiError>();
  const [isBusy, setBusy] = useState(false);
  const isTouched = draft !== start;
  const text = useText(draft, view === "json" ? "json" : view === "yaml" ? "yaml" : undefined, setDraft);
  const wanted = useMemo(() => tidied(draft), [draft]);
  const planned = usePlan(wanted, base?.ingress.id, isTouched || base !== undefined, base?.etag);
  useEffect(loadSchemas, []);
  const { plan } = planned;
  const problems = isTouched ? (plan?.problems ?? []) : [];
  const isMovedOn = base !== undefined && latest !== undefined && latest.etag !== base.etag;
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const done = await send(wanted, base, message);
      announce(`${done.name} is served.`);
      go(href(["ingresses", done.id]));
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
      planned.again();
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="editing">
      <div>
        <nav class="tabs" aria-label="How it is written">
          {views.map(({ key, label }) => (
            <a
              key={key}
              href={href(path, { ...Object.fromEntries(query), as: key })}
              aria-current={view === key ? "page" : undefined}
              onClick={(event) => {
                event.preventDefault();
                setQuery({ as: key });
              }}
            >
              {label}
            </a>
          ))}
        </nav>
        {view === "" ? (
          <IngressForm draft={draft} onChange={setDraft} problems={problems} onOutside={planned.again} />
        ) : (
          <>
            <TextEditor
              label={`Document as ${view.toUpperCase()}`}
              text={text.text}
              notation={text.notation}
              schema={ingressSchema}
              problems={[
                ...text.problems,
                ...problems.map((one) => ({ line: text.lineOf(one.field ?? ""), message: one.message })),
              ]}
              onText={text.onText}
            />
            <ul class="text-problems">
              {text.problems.map(({ line, message: told }) => (
                <li key={`${line} ${told}`} class="field-error">
                  line {line}: {told}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
      <aside aria-label="Plan">
        <h2>What will happen</h2>
        <div aria-live="polite">
          {error !== undefined && error.status !== 412 && <Failure error={error} />}
          {(isMovedOn || error?.status === 412) && base !== undefined && (
            <MovedOn
              id={base.ingress.id}
              onBase={(next) => {
                setBase(next);
                setError(undefined);
                reload?.();
              }}
              onTheirs={(next) => {
                setBase(next);
                setDraft(draftOf(next.ingress));
                setError(undefined);
                reload?.();
              }}
            />
          )}
          {planned.error !== undefined && <Failure error={planned.error} />}
          {text.problems.length > 0 ? (
            <Notice tone="warn" title="The text cannot be read yet." />
          ) : plan === undefined || (!isTouched && base === undefined) ? (
            <p class="hint">
              {base === undefined
                ? "Say which hostname, and where its requests go. What would happen stands here before anything is changed."
                : "Making the plan…"}
            </p>
          ) : (
            <PlanView plan={plan} />
          )}
        </div>
        <TextField
          label="Why (kept in the history)"
          value={message}
          onInput={setMessage}
          placeholder="OPS-17"
        />
        <div class="actions">
          <Button
            kind="primary"
            scope="ingress:write"
            busy={isBusy || planned.isPlanning}
            blocked={blockedBy(plan, isMovedOn, text.problems.length > 0)}
            onClick={() => void save()}
          >
            {base === undefined ? "Create" : "Apply"}
          </Button>
          <a
            class="button"
            href={base === undefined ? href(["ingresses"]) : href(["ingresses", base.ingress.id])}
          >
            Cancel
          </a>
        </div>
      </aside>
    </div>
  );
}

function blockedBy(
  plan: { readonly accepted: boolean; readonly changes: readonly unknown[] } | undefined,
  isMovedOn: boolean,
  isBroken: boolean,
): string | undefined {
  if (isBroken) return "The text cannot be read yet.";
  if (isMovedOn) return "Somebody else changed it: decide that first.";
  if (plan === undefined) return "There is no plan yet.";
  if (!plan.accepted) return "The plan is refused: mend what it says.";
  return plan.changes.length === 0 ? "Nothing would change." : undefined;
}

/** Empty parts are none. */
function tidied(draft: Draft): Draft {
  const rules = (valueAt(draft, ["rules"]) ?? []) as readonly unknown[];
  return rules.reduce<Draft>((tidy, _, index) => {
    const policies = valueAt(tidy, ["rules", index, "policies"]);
    const isEmpty = typeof policies === "object" && policies !== null && Object.keys(policies).length === 0;
    return isEmpty ? withValue(tidy, ["rules", index, "policies"], undefined) : tidy;
  }, draft);
}

async function send(draft: Draft, base: Versioned | undefined, message: string): Promise<Ingress> {
  const query = message.trim() === "" ? {} : { message: message.trim() };
  if (base === undefined) return (await call<Ingress>("POST", "/ingresses", { body: draft, query })).data;
  const options = { body: draft, ifMatch: base.etag, query };
  return (await call<Ingress>("PUT", `/ingresses/${segment(base.ingress.id)}`, options)).data;
}

interface MovedOnProps {
  readonly id: string;
  /** Goes on from the newest version with what is written. */
  readonly onBase: (next: Versioned) => void;
  /** Takes the newest version, and drops what is written. */
  readonly onTheirs: (next: Versioned) => void;
}

/** Two people edit at once: neither loses anything unseen. */
function MovedOn({ id, onBase, onTheirs }: MovedOnProps): JSX.Element {
  const [error, setError] = useState<ApiError>();
  const withNewest = (then: (next: Versioned) => void): void =>
    void call<Ingress>("GET", `/ingresses/${segment(id)}`).then(
      (answer) => then(versioned(answer)),
      (thrown: unknown) => thrown instanceof ApiError && setError(thrown),
    );
  return (
    <Notice tone="warn" title="Somebody else changed it meanwhile.">
      <p>
        The plan compares what you have written with what is there now: it shows what of theirs you would take
        back.
      </p>
      {error && <p class="field-error">{error.message}</p>}
      <div class="actions">
        <Button onClick={() => withNewest(onBase)}>Keep mine, on theirs</Button>
        <Button onClick={() => withNewest(onTheirs)}>Take theirs</Button>
      </div>
    </Notice>
  );
}
