import { type Command, InvalidArgumentError } from "commander";
import { ApiClient, type Endpoint, socketOf, urlOf } from "../client.ts";
import { endpointOf } from "../contexts.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Io } from "../io.ts";
import { Session } from "../session.ts";

/** `gatewright demo`. */
export function addDemoCommand(program: Command, io: Io): void {
  program
    .command("demo")
    .description(
      "Show what Gatewright does: three sample instances, a hostname, a pool and a pattern, until Ctrl-C removes them. Where none answers here it starts one for as long",
    )
    .option("--port <port>", "port that Caddy serves them on", portOf, 8000)
    .action(async ({ port }: { port: number }, command: Command) => {
      const session = new Session(io, command);
      const ending = new AbortController();
      const end = () => ending.abort();
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
      const { startDemo } = await import("../demo/demo.ts");
      await using stack = new AsyncDisposableStack();
      let endpoint = endpointOf(session.options, io.env);
      if (!(await answers(endpoint, session))) {
        session.note("No Gatewright answers here: starting one that ends with the demo …");
        const { startOwnGatewright } = await import("../demo/own-gatewright.ts");
        ({ endpoint } = stack.use(await startOwnGatewright(session, ending.signal)));
      }
      const api = new ApiClient(endpoint);
      await session.line(`Gatewright answers at ${endpoint.url}`);
      const { calledAs } = await import("../../config/called-as.ts");
      const isUsual = endpoint.url === endpointOf({}, io.env).url;
      const explain = `${calledAs(io.env)} explain${isUsual ? "" : ` --url ${endpoint.url}`}`;
      stack.use(await startDemo({ api, port, explain, say: (line) => session.line(line) }));
      await session.line("\nCtrl-C removes all of it.");
      if (!ending.signal.aborted)
        await new Promise((resolve) => {
          // A pending listener keeps no process: a timer does.
          const alive = setInterval(() => undefined, 60_000);
          ending.signal.addEventListener("abort", () => resolve(clearInterval(alive)));
        });
      await stack.disposeAsync();
      session.note("The demo's instances and ingresses are removed.");
    });
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a port from 1 to 65535.");
}

/** Whether a Gatewright of this machine answers. One that was named and does not, or is elsewhere, is a Failure. */
async function answers(endpoint: Endpoint, { io, options }: Session): Promise<boolean> {
  if (socketOf(endpoint.url) === undefined && !isLoopback(urlOf(endpoint.url).hostname))
    throw new Failure(
      `${endpoint.url} is another machine, and the demo's instances are on this one: run it there`,
      exitCodes.usage,
    );
  try {
    await new ApiClient(endpoint).get("/health");
    return true;
  } catch (error) {
    const isNamed = (options.url ?? options.context ?? io.env["GATEWRIGHT_URL"]) !== undefined;
    if (isNamed || !(error instanceof Failure) || error.exitCode !== exitCodes.unavailable) throw error;
    return false;
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
