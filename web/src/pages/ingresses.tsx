import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { get } from "../data/client.ts";
import { type Filter, usePages } from "../data/pages.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Event, Ingress, SetAsideIngress } from "../data/types.ts";
import { plural } from "../format.ts";
import { href, route } from "../router.ts";
import { LinkButton } from "../ui/controls.tsx";
import { QueryField } from "../ui/filters.tsx";
import { Icon } from "../ui/icons.tsx";
import { type Column, ListPage, Tags } from "../ui/list-page.tsx";
import { Empty } from "../ui/page.tsx";
import { Problems } from "../ui/problems.tsx";
import { Notice } from "../ui/status.tsx";
import { hostText, targetName, targetsOf } from "../ui/targets.ts";
import { Time } from "../ui/time.tsx";

const columns: readonly Column<Ingress>[] = [
  { title: "Name", width: "3fr", cell: ({ id, name }) => <a href={href(["ingresses", id])}>{name}</a> },
  { title: "Serves", width: "5fr", kind: "mono", cell: ({ rules }) => <Hosts rules={rules} /> },
  { title: "Leads to", width: "3fr", isFar: true, cell: ({ rules }) => <Targets rules={rules} /> },
  { title: "Tags", width: "3fr", isFar: true, cell: ({ tags }) => <Tags tags={tags} /> },
  {
    title: "Changed",
    width: "110px",
    isFar: true,
    kind: "quiet",
    cell: ({ updated_at: changed }) => <Time at={changed} />,
  },
];

/** All ingresses, however many, found by name, host, instance and tag. */
export function IngressesPage(): JSX.Element {
  const { query } = useStore(route);
  const filter = useMemo(() => filterOf(query), [query]);
  const list = usePages<Ingress>(
    "/ingresses",
    useMemo(() => ({ ...filter, sort: "name" }), [filter]),
    { on: isOfIngresses },
  );
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <ListPage
      title="Ingresses"
      noun={["ingress", "ingresses"]}
      list={list}
      columns={columns}
      isFiltered={isFiltered}
      actions={
        <LinkButton href={href(["new"])} kind="primary" icon="plus" scope="ingress:write">
          New ingress
        </LinkButton>
      }
      empty={<NothingFound isFiltered={isFiltered} />}
    >
      <Filters />
      <SetAside />
    </ListPage>
  );
}

function isOfIngresses({ type }: Event): boolean {
  return /^ingress\.(created|changed|deleted|batch)$/.test(type);
}

function Hosts({ rules }: Pick<Ingress, "rules">): JSX.Element {
  const [first] = rules;
  const more = rules.length - 1;
  return (
    <>
      {first?.tls === true && <Icon name="lock" label="TLS" />} {first !== undefined && hostText(first)}
      {more > 0 && <span class="hint"> +{more}</span>}
    </>
  );
}

function Targets({ rules }: Pick<Ingress, "rules">): JSX.Element {
  const targets = [...new Set(rules.flatMap((rule) => targetsOf(rule).map(targetName)))];
  return (
    <>
      {targets.slice(0, 2).join(", ")}
      {targets.length > 2 && <span class="hint"> +{targets.length - 2}</span>}
    </>
  );
}

/** What the address says: `q`, `instance`, `tag` as `key=value`. */
function filterOf(query: URLSearchParams): Filter {
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
        <QueryField name="q" label="Name, hostname or target" placeholder="press / to search" isWide />
        <QueryField name="instance" label="Leads to instance" />
        <QueryField name="tag" label="Tag" placeholder="team=shop" />
      </form>
    </search>
  );
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
