import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../data/client.ts";
import { type IngressFilter, useIngressPages } from "../data/ingress-pages.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Ingress, SetAsideIngress } from "../data/types.ts";
import { plural } from "../format.ts";
import { href, route, setQuery } from "../router.ts";
import { LinkButton, TextField } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { Empty, Failure, Page } from "../ui/page.tsx";
import { Problems } from "../ui/problems.tsx";
import { Notice } from "../ui/status.tsx";
import { hostText, targetName, targetsOf } from "../ui/targets.ts";
import { Time } from "../ui/time.tsx";
import { VirtualList } from "../ui/virtual-list.tsx";

const ROW_PX = 38;
const TYPING_MS = 120;

/** All ingresses, however many, found by name, host, instance and tag. */
export function IngressesPage(): JSX.Element {
  const { query } = useStore(route);
  const filter = useMemo(() => filterOf(query), [query]);
  const pages = useIngressPages(filter);
  const { total, error, at, want } = pages;
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Ingresses"
      actions={
        <LinkButton href={href(["new"])} kind="primary" icon="plus" scope="ingress:write">
          New ingress
        </LinkButton>
      }
    >
      <Filters />
      <SetAside />
      {error !== undefined && <Failure error={error} />}
      <p class="hint result" role="status">
        {total === undefined ? "" : `${plural(total, "ingress", "ingresses")}${isFiltered ? " fit" : ""}`}
      </p>
      {total === 0 ? (
        <NothingFound isFiltered={isFiltered} />
      ) : (
        total !== undefined && (
          <VirtualList
            label="Ingresses"
            length={total}
            rowHeight={ROW_PX}
            head={head}
            row={(index) => drawn(at(index))}
            onRange={want}
          />
        )
      )}
    </Page>
  );
}

/** Rows as they were drawn: what is in sight already costs nothing while somebody scrolls. */
const rows = new WeakMap<Ingress, JSX.Element>();

function drawn(ingress: Ingress | undefined): JSX.Element {
  if (ingress === undefined) return <Row ingress={undefined} />;
  const known = rows.get(ingress);
  if (known !== undefined) return known;
  const row = <Row ingress={ingress} />;
  rows.set(ingress, row);
  return row;
}

const head = (
  <>
    {["Name", "Serves", "Leads to", "Tags", "Changed"].map((title) => (
      <span key={title} role="columnheader">
        {title}
      </span>
    ))}
  </>
);

function Row({ ingress }: { readonly ingress: Ingress | undefined }): JSX.Element {
  if (ingress === undefined)
    return (
      <span role="cell" class="hint">
        …
      </span>
    );
  const { id, name, rules, tags = {}, updated_at: changed } = ingress;
  const [first] = rules;
  const targets = [...new Set(rules.flatMap((rule) => targetsOf(rule).map(targetName)))];
  const more = rules.length - 1;
  return (
    <>
      <span role="cell">
        <a href={href(["ingresses", id])}>{name}</a>
      </span>
      <span role="cell" class="mono">
        {first !== undefined && (
          <>
            {first.tls && <Icon name="lock" label="TLS" />} {hostText(first)}
          </>
        )}
        {more > 0 && <span class="hint"> +{more}</span>}
      </span>
      <span role="cell">
        {targets.slice(0, 2).join(", ")}
        {targets.length > 2 && <span class="hint"> +{targets.length - 2}</span>}
      </span>
      <span role="cell" class="tags">
        {Object.entries(tags)
          .slice(0, 2)
          .map(([key, value]) => (
            <span class="tag" key={key}>
              {key}={value}
            </span>
          ))}
      </span>
      <span role="cell" class="quiet">
        <Time at={changed} />
      </span>
    </>
  );
}

/** What the address says: `q`, `instance`, `tag` as `key=value`. */
function filterOf(query: URLSearchParams): IngressFilter {
  const filter: { [key: string]: string } = {};
  for (const key of ["q", "instance"]) {
    const value = query.get(key);
    if (value !== null && value !== "") filter[key] = value;
  }
  const [, key, value] = /^([^=]+)=(.+)$/.exec(query.get("tag") ?? "") ?? [];
  if (key !== undefined && value !== undefined) filter[`tags[${key.trim()}]`] = value.trim();
  return filter;
}

function Filters(): JSX.Element {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      if (
        event.key !== "/" ||
        event.target instanceof HTMLInputElement ||
        event.target instanceof HTMLTextAreaElement
      )
        return;
      event.preventDefault();
      form.current?.querySelector("input")?.focus();
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  return (
    <search>
      <form class="filters" ref={form} onSubmit={(event) => event.preventDefault()}>
        <div class="wide field">
          <Filter name="q" label="Name, hostname or target" placeholder="press / to search" />
        </div>
        <Filter name="instance" label="Leads to instance" />
        <Filter name="tag" label="Tag" placeholder="team=shop" />
      </form>
    </search>
  );
}

function Filter({
  name,
  label,
  placeholder,
}: {
  readonly name: string;
  readonly label: string;
  readonly placeholder?: string;
}): JSX.Element {
  const { query } = useStore(route);
  const given = query.get(name) ?? "";
  const [text, setText] = useState(given);
  useEffect(() => setText(given), [given]);
  useEffect(() => {
    if (text === given) return;
    const timer = setTimeout(() => setQuery({ [name]: text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, given, name]);
  return <TextField label={label} type="search" value={text} onInput={setText} placeholder={placeholder} />;
}

/** Those that are stored and not served: nobody may overlook them. */
function SetAside(): JSX.Element | null {
  const { data } = useResource(
    "set-aside",
    (signal) => get<readonly SetAsideIngress[]>("/ingresses", { state: "set-aside" }, signal),
    { on: ofFamily("ingress") },
  );
  if (data === undefined || data.length === 0) return null;
  return (
    <Notice
      tone="warn"
      title={`${plural(data.length, "ingress", "ingresses")} set aside: stored and not served`}
    >
      {data.map(({ id, name, problems }) => (
        <div key={id}>
          <strong>{name ?? id}</strong>
          <Problems problems={problems} />
        </div>
      ))}
    </Notice>
  );
}

function NothingFound({ isFiltered }: { readonly isFiltered: boolean }): JSX.Element {
  if (isFiltered)
    return (
      <Empty title="No ingress fits.">
        <p>
          <a href={href(["ingresses"])}>Show all</a>, or ask{" "}
          <a href={href(["explain"])}>what becomes of a URL</a>.
        </p>
      </Empty>
    );
  return (
    <Empty title="There is no ingress yet.">
      <p>An ingress leads a hostname to where its requests go.</p>
      <LinkButton href={href(["new"])} kind="primary" icon="plus" scope="ingress:write">
        Serve the first hostname
      </LinkButton>
    </Empty>
  );
}
