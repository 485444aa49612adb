import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import type { Ingress, Instance, InstanceTraffic, TrafficMode } from "../data/types.ts";
import { go, href } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Failure, Loaded, Page, Section } from "../ui/page.tsx";
import { State } from "../ui/status.tsx";
import { hostText } from "../ui/targets.ts";
import { Time } from "../ui/time.tsx";
import { instanceTone } from "./instances.tsx";

const MOST_LEADING = 200;

/** One instance, what leads to it, and whether it takes requests. */
export function InstancePage({ id }: { readonly id: string }): JSX.Element {
  const path = `/instances/${segment(id)}`;
  const instance = useResource(`instance ${id}`, (signal) => get<Instance>(path, {}, signal), {
    on: ofFamily("instance"),
  });
  const leading = useResource(
    `leading ${id}`,
    (signal) =>
      get<readonly Ingress[]>(
        "/ingresses",
        { instance: instance.data?.name ?? id, limit: MOST_LEADING },
        signal,
      ),
    {
      on: ofFamily("ingress"),
    },
  );
  return (
    <Page
      title={instance.data?.name ?? id}
      up={{ href: href(["instances"]), label: "Instances" }}
      actions={instance.data && <Deletion name={instance.data.name} />}
    >
      <Loaded of={instance}>
        {(data) => (
          <>
            <dl class="facts">
              <dt>State</dt>
              <dd>
                <State tone={instanceTone(data)}>{data.state}</State>
              </dd>
              <dt>Address</dt>
              <dd class="mono">{data.network.ip ?? "none"}</dd>
              {data.service !== undefined && (
                <>
                  <dt>Service</dt>
                  <dd>{data.service}</dd>
                </>
              )}
              <dt>Id</dt>
              <dd class="mono">{data.id}</dd>
              <dt>Since</dt>
              <dd>
                <Time at={data.created_at} />
              </dd>
            </dl>
            <Traffic name={data.name} />
          </>
        )}
      </Loaded>
      <Section title="What leads to it">
        <Loaded of={leading}>
          {(list) =>
            list.length === 0 ? (
              <p class="hint">
                No rule names it. <a href={href(["new"], { instance: id })}>Serve a hostname from it</a>.
              </p>
            ) : (
              <ul class="leading">
                {list.map((ingress) => (
                  <li key={ingress.id}>
                    <a href={href(["ingresses", ingress.id])}>{ingress.name}</a>{" "}
                    <span class="mono quiet">{ingress.rules.slice(0, 3).map(hostText).join(", ")}</span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Section>
    </Page>
  );
}

const modes: readonly { readonly mode: TrafficMode; readonly label: string; readonly told: string }[] = [
  { mode: "active", label: "Take requests", told: "takes requests" },
  { mode: "drain", label: "Drain", told: "takes no new requests; those that run finish" },
  { mode: "pause", label: "Pause", told: "has new requests wait" },
];

function Traffic({ name }: { readonly name: string }): JSX.Element {
  const path = `/instances/${segment(name)}/traffic`;
  const traffic = useResource(
    `instance traffic ${name}`,
    (signal) => get<InstanceTraffic>(path, {}, signal),
    { on: ofFamily("instance") },
  );
  const [error, setError] = useState<ApiError>();
  const set = async (mode: TrafficMode, told: string): Promise<void> => {
    try {
      await call("PUT", path, { body: { mode } });
      announce(`${name} ${told}.`);
      setError(undefined);
      traffic.reload();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  return (
    <Section title="Requests">
      <Loaded of={traffic}>
        {({ mode, since }) => (
          <>
            <p>
              It {modes.find((one) => one.mode === mode)?.told}
              {since !== undefined && (
                <>
                  , <Time at={since} />
                </>
              )}
              .
            </p>
            <div class="actions modes-of">
              {modes.map((one) => (
                <Button
                  key={one.mode}
                  scope="instance:write"
                  pressed={one.mode === mode}
                  onClick={() => void set(one.mode, one.told)}
                >
                  {one.label}
                </Button>
              ))}
            </div>
          </>
        )}
      </Loaded>
      {error && <Failure error={error} />}
    </Section>
  );
}

function Deletion({ name }: { readonly name: string }): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const remove = async (): Promise<void> => {
    await call("DELETE", `/instances/${segment(name)}`);
    announce(`${name} was deleted.`);
    go(href(["instances"]));
  };
  return (
    <>
      <Button kind="danger" scope="instance:write" onClick={() => setAsking(true)}>
        Delete
      </Button>
      {isAsking && (
        <Dialog
          title={`Delete the instance ${name}?`}
          submit="Delete"
          leave="Keep it"
          isDanger
          onSubmit={remove}
          onClose={() => setAsking(false)}
        >
          {() => (
            <p>Rules that lead to it stay, and answer 503 until there is an instance of that name again.</p>
          )}
        </Dialog>
      )}
    </>
  );
}
