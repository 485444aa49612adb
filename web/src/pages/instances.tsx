import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Instance } from "../data/types.ts";
import { plural } from "../format.ts";
import { href, route, setQuery } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, Dialog, TextField } from "../ui/controls.tsx";
import { Empty, Failure, Loaded, Page } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";

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
