import type { JSX } from "preact";
import { get } from "../data/client.ts";
import { useResource } from "../data/resource.ts";
import type { ServerStatus } from "../data/types.ts";
import { duration, plural } from "../format.ts";
import { Loaded, Page } from "../ui/page.tsx";
import { State } from "../ui/status.tsx";

/** A process that serves, as `GET /gateways` tells it; without that call, this one. */
interface Gateway {
  readonly name: string;
  readonly status: "ok" | "degraded";
  readonly version: string;
  readonly uptime_seconds: number;
  readonly draining: readonly { readonly pid: number; readonly until: string }[];
}

async function gateways(signal: AbortSignal): Promise<readonly Gateway[]> {
  const { status, version, uptime_seconds, draining } = await get<ServerStatus>("/status", {}, signal);
  return [{ name: "this one", status, version, uptime_seconds, draining }];
}

export function GatewayList(): JSX.Element {
  const list = useResource("gateways", gateways, { everyMs: 15_000 });
  return (
    <Loaded of={list}>
      {(all) => (
        <ul class="feed gateways">
          {all.map(({ name, status, version, uptime_seconds: up, draining }) => (
            <li key={name}>
              <State tone={status === "ok" ? "ok" : "warn"}>{status === "ok" ? "serves" : "degraded"}</State>
              <span>
                {name}
                <span class="hint block">
                  version {version}, up for {duration(up)}
                  {draining.length > 0 &&
                    `, ${plural(draining.length, "older Caddy", "older Caddys")} still finishing`}
                </span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  );
}

export function GatewaysPage(): JSX.Element {
  return (
    <Page title="Gateways">
      <GatewayList />
      <p class="hint">
        This Gatewright runs by itself, and keeps its state in files. On its machine{" "}
        <code>gatewright doctor</code> looks at everything that could keep requests from being served.
      </p>
    </Page>
  );
}
