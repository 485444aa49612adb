import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type Answer, call, segment } from "../data/client.ts";
import { type Resource, useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Ingress } from "../data/types.ts";
import { go, href, route } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, LinkButton } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Time } from "../ui/time.tsx";
import { IngressDocument } from "./ingress-document.tsx";
import { IngressEvents } from "./ingress-events.tsx";
import { IngressHistory } from "./ingress-history.tsx";
import { IngressNow } from "./ingress-now.tsx";

/** An ingress with its version, which changes are made for. */
export interface Versioned {
  readonly ingress: Ingress;
  readonly etag: string;
}

export function useIngress(id: string): Resource<Versioned> {
  return useResource(
    `ingress ${id}`,
    async (signal) => versioned(await call<Ingress>("GET", `/ingresses/${segment(id)}`, { signal })),
    {
      on: (event) =>
        event.type.startsWith("ingress.") && (event.ingress?.id === id || event.ingress?.name === id),
    },
  );
}

export function versioned({ data, headers }: Answer<Ingress>): Versioned {
  return { ingress: data, etag: headers.get("etag") ?? "" };
}

const tabs = [
  { key: "", label: "Now" },
  { key: "events", label: "Events" },
  { key: "history", label: "History" },
  { key: "document", label: "Document" },
] as const;

/** One ingress: what it does, how it is, what became of it. */
export function IngressPage({ id }: { readonly id: string }): JSX.Element {
  const { query } = useStore(route);
  const resource = useIngress(id);
  const tab = query.get("tab") ?? "";
  const ingress = resource.data?.ingress;
  return (
    <Page
      title={ingress?.name ?? id}
      up={{ href: href(["ingresses"]), label: "Ingresses" }}
      actions={ingress && <Actions ingress={ingress} etag={resource.data?.etag ?? ""} />}
    >
      <Loaded of={resource}>
        {(data) => (
          <>
            <Facts ingress={data.ingress} />
            <nav class="tabs" aria-label="Of this ingress">
              {tabs.map(({ key, label }) => (
                <a
                  key={key}
                  href={href(["ingresses", id], { tab: key })}
                  aria-current={tab === key ? "page" : undefined}
                >
                  {label}
                </a>
              ))}
            </nav>
            {tab === "events" && <IngressEvents id={data.ingress.id} />}
            {tab === "history" && <IngressHistory {...data} />}
            {tab === "document" && <IngressDocument ingress={data.ingress} />}
            {tab === "" && <IngressNow {...data} reload={resource.reload} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({
  ingress: { owner, tags = {}, updated_at: changed, gateways, listen },
}: {
  readonly ingress: Ingress;
}): JSX.Element {
  return (
    <p class="ingress-facts">
      <span>
        changed <Time at={changed} />
      </span>
      {owner !== undefined && <span>owned by {owner}</span>}
      {gateways !== undefined && <span>on {gateways.join(", ")}</span>}
      {listen !== undefined && <span>at {listen.join(", ")}</span>}
      <span class="tags">
        {Object.entries(tags).map(([key, value]) => (
          <a class="tag" key={key} href={href(["ingresses"], { tag: `${key}=${value}` })}>
            {key}={value}
          </a>
        ))}
      </span>
    </p>
  );
}

function Actions({ ingress, etag }: Versioned): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <LinkButton href={href(["edit", ingress.id])} kind="primary" scope="ingress:write">
        Edit
      </LinkButton>
      <Button kind="danger" scope="ingress:delete" onClick={() => setAsking(true)}>
        Delete
      </Button>
      {isAsking && <Deletion ingress={ingress} etag={etag} onClose={() => setAsking(false)} />}
    </>
  );
}

function Deletion({ ingress, etag, onClose }: Versioned & { readonly onClose: () => void }): JSX.Element {
  const remove = async (): Promise<void> => {
    await call("DELETE", `/ingresses/${segment(ingress.id)}`, { ifMatch: etag });
    announce(`${ingress.name} was deleted.`);
    go(href(["ingresses"]));
  };
  return (
    <Dialog
      title={`Delete ${ingress.name}?`}
      submit="Delete"
      leave="Keep it"
      isDanger
      onSubmit={remove}
      onClose={onClose}
    >
      {() => (
        <>
          <p>
            Its hostnames are answered by 404 at once. The history keeps it: it can be brought back from
            there.
          </p>
          <ul class="mono">
            {ingress.rules.slice(0, 8).map(({ match: { hostname, port, path } }) => (
              <li key={`${hostname} ${port} ${path?.value}`}>
                {hostname}:{port}
                {path?.value}
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}
