import type { JSX } from "preact";
import { get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import type { Gateway, ServerStatus } from "../data/types.ts";
import { plural } from "../format.ts";
import { href } from "../router.ts";
import { Loaded, Page } from "../ui/page.tsx";
import { State } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

interface Gateways {
  readonly all: readonly Gateway[];
  /** Of the one that answers. */
  readonly status: ServerStatus;
}

async function gateways(signal: AbortSignal): Promise<Gateways> {
  const [all, status] = await Promise.all([
    get<readonly Gateway[]>("/gateways", {}, signal),
    get<ServerStatus>("/status", {}, signal),
  ]);
  return { all, status };
}

export function GatewayList(): JSX.Element {
  const list = useResource("gateways", gateways, { everyMs: 15_000 });
  return (
    <Loaded of={list}>
      {({ all, status }) => (
        <ul class="feed gateways">
          {all.map((gateway) => (
            <GatewayItem
              key={gateway.name ?? ""}
              gateway={gateway}
              status={gateway.answering ? status : undefined}
            />
          ))}
        </ul>
      )}
    </Loaded>
  );
}

interface GatewayItemProps {
  readonly gateway: Gateway;
  /** Absent: only the gateway itself tells it, and another one answers. */
  readonly status: ServerStatus | undefined;
}

function GatewayItem({ gateway, status }: GatewayItemProps): JSX.Element {
  const { name, version, started_at: startedAt, revision, ready, answering } = gateway;
  const isWell = ready && status?.status !== "degraded";
  const draining = status?.draining.length ?? 0;
  return (
    <li>
      <State tone={isWell ? "ok" : "warn"}>{isWell ? "serves" : ready ? "degraded" : "not ready"}</State>
      <span>
        {name ?? "this one"}
        {name !== undefined && answering && " (this one)"}
        <span class="hint block">
          version {version}, started <Time at={startedAt} />, serves revision {revision}
          {draining > 0 && `, ${plural(draining, "older Caddy", "older Caddys")} still finishing`}
        </span>
      </span>
    </li>
  );
}

export function GatewaysPage(): JSX.Element {
  return (
    <Page title="Gateways">
      <GatewayList />
      <p class="hint">
        Gateways with one store in etcd serve the same ingresses; one that keeps its state in files is alone.
        The <a href={href(["doctor"])}>doctor</a> looks at the machine of the one that answers;{" "}
        <code>gatewright doctor</code> does so on any other.
      </p>
    </Page>
  );
}
