import type { Config } from "../config.ts";
import type { Finding, Readiness, ServerStatus } from "../model/api.ts";
import { diagnose } from "../wiring/doctor/doctor.ts";
import { readStored } from "../wiring/doctor/stored.ts";
import { ApiClient } from "./client.ts";
import { endpointOf } from "./contexts.ts";
import { exitCodes } from "./failure.ts";
import { type Io, styled } from "./io.ts";
import type { Session } from "./session.ts";

const marks = { ok: ["✓", "green"], warning: ["!", "yellow"], problem: ["✗", "red"] } as const;

/** `gatewright doctor`: looks at the Gatewright that these settings are of, and ends with 1 where there is a problem. */
export async function examine(session: Session, config: Config, resolvers: readonly string[]): Promise<void> {
  const api = new ApiClient(endpointFor(session, config));
  const found = await diagnose(config, {
    self: {
      // A Gatewright that is not ready says why.
      ready: async () => {
        const { status, reasons } = (await api.call({ path: "/ready", also: 503 })).body as Readiness;
        return { ready: status === "ready", reasons };
      },
      status: async () => (await api.call({ path: "/status" })).body as ServerStatus,
    },
    stored: await readStored(config),
    resolvers,
  });
  await session.show(
    found,
    () => found.map((one) => textOf(one, session.io)).join("\n"),
    () => found.map(({ check, verdict }) => `${check}/${verdict}`).join("\n"),
  );
  if (found.some(({ verdict }) => verdict === "problem")) process.exitCode = exitCodes.failed;
}

/** That of the settings, unless another one was named. */
function endpointFor({ io, options }: Session, { api }: Config): ReturnType<typeof endpointOf> {
  const isNamed = (options.url ?? options.context ?? io.env["GATEWRIGHT_URL"]) !== undefined;
  const [address = ""] = api.addresses;
  const host = address.includes(":") ? `[${address}]` : address;
  const anywhere = ["0.0.0.0", "[::]"].includes(host);
  const url =
    address === "" ? `unix://${api.sockets[0]}` : `http://${anywhere ? "127.0.0.1" : host}:${api.port}`;
  return endpointOf(isNamed ? options : { ...options, url }, io.env);
}

function textOf({ check, message, remedy, verdict }: Finding, { stdout }: Io): string {
  const [mark, colour] = marks[verdict];
  const told = `${styled(stdout, colour, mark)} ${check}: ${message}`;
  return remedy === undefined ? told : `${told}\n    ${remedy}`;
}
