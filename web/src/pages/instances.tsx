import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Ingress, Instance, InstanceTraffic, TrafficMode } from "../data/types.ts";
import { plural } from "../format.ts";
import { go, href, route, setQuery } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, Dialog, TextField } from "../ui/controls.tsx";
import { Empty, Failure, Loaded, Page, Section } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";
import { hostText } from "../ui/targets.ts";
import { Time } from "../ui/time.tsx";

/** Rows that are drawn; more are found by searching. */
const MOST_SHOWN = 300;

export function instanceTone({ state }: Instance): Tone {
  if (state === "Running") return "ok";
  return state === "Initializing" || state === "Paused" ? "warn" : "quiet";
}

export function InstancesPage(): JSX.Element {
  const { query } = useStore(route);
  const q = query.get("q") ?? "";
  const instances = useResource(
    `instances ${q}`,
    (signal) => get<readonly Instance[]>("/instances", { q }, signal),
    { on: ofFamily("instance") },
  );
  const [isAdding, setAdding] = useState(false);
  return (
    <Page
      title="Instances"
      actions={
        <Button kind="primary" icon="plus" scope="instance:write" onClick={() => setAdding(true)}>
          New instance
        </Button>
      }
    >
      <search class="filters">
        <div class="wide field">
          <TextField
            label="Name, id or service"
            type="search"
            value={q}
            onInput={(text) => setQuery({ q: text })}
          />
        </div>
      </search>
      <Loaded of={instances}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={q === "" ? "There is no instance yet." : "No instance fits."}>
              <p>
                An instance is where requests go: a name for an address, which may change. Add one, or have
                them read from a VM manager (INSTANCE_SOURCE).
              </p>
            </Empty>
          ) : (
            <Table instances={list} />
          )
        }
      </Loaded>
      {isAdding && <NewInstance onClose={() => setAdding(false)} onDone={instances.reload} />}
    </Page>
  );
}

function Table({ instances }: { readonly instances: readonly Instance[] }): JSX.Element {
  return (
    <>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col">Address</th>
            <th scope="col" class="far">
              Service
            </th>
            <th scope="col" class="far">
              Tags
            </th>
          </tr>
        </thead>
        <tbody>
          {instances.slice(0, MOST_SHOWN).map((instance) => (
            <tr key={instance.id}>
              <td>
                <a href={href(["instances", instance.name])}>{instance.name}</a>
              </td>
              <td>
                <State tone={instanceTone(instance)}>{instance.state}</State>
              </td>
              <td class="mono">{instance.network.ip ?? "none"}</td>
              <td class="far">{instance.service ?? ""}</td>
              <td class="far">
                <span class="tags">
                  {Object.entries(instance.tags ?? {}).map(([key, value]) => (
                    <span class="tag" key={key}>
                      {key}={value}
                    </span>
                  ))}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {instances.length > MOST_SHOWN && (
        <p class="hint">{plural(instances.length - MOST_SHOWN, "more")}: search to see them.</p>
      )}
    </>
  );
}

function NewInstance({
  onClose,
  onDone,
}: {
  readonly onClose: () => void;
  readonly onDone: () => void;
}): JSX.Element {
  const [name, setName] = useState("");
  const [ip, setIp] = useState("");
  const [service, setService] = useState("");
  const [error, setError] = useState<ApiError>();
  const save = async (): Promise<void> => {
    try {
      await putInstance(name.trim(), ip.trim(), service.trim());
      announce(`${name} was added.`);
      onDone();
      onClose();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  return (
    <Dialog
      title="New instance"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            onClick={() => void save()}
            blocked={name.trim() === "" ? "Enter a name first." : undefined}
          >
            Add it
          </Button>
        </>
      }
    >
      <TextField
        label="Name"
        mono
        value={name}
        onInput={setName}
        placeholder="shop-1"
        hint="By which rules lead to it. One that exists is replaced."
      />
      <TextField
        label="Address"
        mono
        value={ip}
        onInput={setIp}
        placeholder="10.0.0.5"
        hint="IPv4 or IPv6, without a port."
      />
      <TextField
        label="Service"
        value={service}
        onInput={setService}
        hint="Instances of one service can take requests together. Optional."
      />
      {error && <Failure error={error} />}
    </Dialog>
  );
}

/** Registers a running instance. */
export async function putInstance(name: string, ip: string, service = ""): Promise<void> {
  const body = { network: { ip: ip === "" ? null : ip }, ...(service === "" ? {} : { service }) };
  await call("PUT", `/instances/${segment(name)}`, { body });
}

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
  const [error, setError] = useState<ApiError>();
  const close = (): void => setAsking(false);
  const remove = async (): Promise<void> => {
    try {
      await call("DELETE", `/instances/${segment(name)}`);
      announce(`${name} was deleted.`);
      go(href(["instances"]));
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  return (
    <>
      <Button kind="danger" scope="instance:write" onClick={() => setAsking(true)}>
        Delete
      </Button>
      {isAsking && (
        <Dialog
          title={`Delete the instance ${name}?`}
          onClose={close}
          actions={
            <>
              <Button onClick={close}>Keep it</Button>
              <Button kind="danger" onClick={() => void remove()}>
                Delete
              </Button>
            </>
          }
        >
          <p>Rules that lead to it stay, and answer 503 until there is an instance of that name again.</p>
          {error && <Failure error={error} />}
        </Dialog>
      )}
    </>
  );
}
