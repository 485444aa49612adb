import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { call, segment } from "../data/client.ts";
import { usePages } from "../data/pages.ts";
import { ofFamily } from "../data/resource.ts";
import { useStore } from "../data/store.ts";
import type { Instance } from "../data/types.ts";
import { href, route } from "../router.ts";
import { announce } from "../ui/announce.tsx";
import { Button, TextField } from "../ui/controls.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { QueryField } from "../ui/filters.tsx";
import { type Column, ListPage, Tags } from "../ui/list-page.tsx";
import { Empty } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";

const columns: readonly Column<Instance>[] = [
  {
    title: "Name",
    width: "3fr",
    cell: ({ name }) => <a href={href(["instances", name])}>{name}</a>,
  },
  {
    title: "State",
    width: "110px",
    cell: (instance) => <State tone={instanceTone(instance)}>{instance.state}</State>,
  },
  { title: "Address", width: "3fr", kind: "mono", cell: ({ network }) => network.ip ?? "none" },
  { title: "Service", width: "2fr", isFar: true, cell: ({ service }) => service },
  { title: "Tags", width: "3fr", isFar: true, cell: ({ tags }) => <Tags tags={tags} /> },
];

export function instanceTone({ state }: Instance): Tone {
  if (state === "Running") return "ok";
  return state === "Initializing" || state === "Paused" ? "warn" : "quiet";
}

export function InstancesPage(): JSX.Element {
  const { query } = useStore(route);
  const q = query.get("q") ?? "";
  const filter = useMemo(() => (q === "" ? {} : { q }), [q]);
  const list = usePages<Instance>("/instances", filter, { on: ofFamily("instance") });
  const [isAdding, setAdding] = useState(false);
  return (
    <ListPage
      title="Instances"
      noun={["instance", "instances"]}
      list={list}
      columns={columns}
      isFiltered={q !== ""}
      actions={
        <Button kind="primary" icon="plus" scope="instance:write" onClick={() => setAdding(true)}>
          New instance
        </Button>
      }
      empty={
        <Empty title={q === "" ? "There is no instance yet." : "No instance fits."}>
          <p>
            An instance is where requests go: a name for an address, which may change. Add one, or have them
            read from a VM manager (INSTANCE_SOURCE).
          </p>
        </Empty>
      }
    >
      <search class="filters">
        <QueryField name="q" label="Name, id or service" isWide />
      </search>
      {isAdding && <NewInstance onClose={() => setAdding(false)} onDone={list.reload} />}
    </ListPage>
  );
}

interface NewInstanceProps {
  readonly onClose: () => void;
  readonly onDone: () => void;
}

function NewInstance({ onClose, onDone }: NewInstanceProps): JSX.Element {
  const [name, setName] = useState("");
  const [ip, setIp] = useState("");
  const [service, setService] = useState("");
  const save = async (): Promise<void> => {
    await putInstance(name.trim(), ip.trim(), service.trim());
    announce(`${name} was added.`);
    onDone();
  };
  return (
    <Dialog
      title="New instance"
      submit="Add it"
      blocked={name.trim() === "" ? "Enter a name first." : undefined}
      onSubmit={save}
      onClose={onClose}
    >
      {(problemOf) => (
        <>
          <TextField
            label="Name"
            mono
            value={name}
            onInput={setName}
            placeholder="shop-1"
            error={problemOf("name")}
            hint="By which rules lead to it. One that exists is replaced."
          />
          <TextField
            label="Address"
            mono
            value={ip}
            onInput={setIp}
            placeholder="10.0.0.5"
            error={problemOf("network.ip")}
            hint="IPv4 or IPv6, without a port."
          />
          <TextField
            label="Service"
            value={service}
            onInput={setService}
            error={problemOf("service")}
            hint="Instances of one service can take requests together. Optional."
          />
        </>
      )}
    </Dialog>
  );
}

/** Registers a running instance. */
export async function putInstance(name: string, ip: string, service = ""): Promise<void> {
  const body = { network: { ip: ip === "" ? null : ip }, ...(service === "" ? {} : { service }) };
  await call("PUT", `/instances/${segment(name)}`, { body });
}
