import { Pool } from "undici";
import type { CaddyConfig } from "../caddy-json/config.ts";
import type { Table, TableDelta } from "../compiler/row.ts";
import { GatewrightError } from "../errors.ts";
import { stringifyInSlices } from "../util/stringify-in-slices.ts";
import { parseAdminUrl } from "./admin-address.ts";
import {
  lackingExplain,
  type Probe,
  parseCertificates,
  parseProbe,
  parseRehearsed,
  parseVersions,
} from "./admin-answers.ts";
import { refusal } from "./admin-refusal.ts";
import type {
  AddressPush,
  CaddyApi,
  CertificateSource,
  ExplainQuestion,
  ExplainSource,
  Layer4Source,
  MetricSource,
  RunningConfig,
  RunSelection,
  RunsLine,
  RunsSource,
  TargetPush,
} from "./caddy-api.ts";
import { createScrub } from "./scrub.ts";

export interface AdminClientOptions {
  /** `http://127.0.0.1:2019` or `unix//path`. */
  readonly adminUrl: string;
  /** Values that no error may repeat. */
  readonly secrets?: readonly string[];
  /** Folders whose paths no error repeats, such as DATA_DIR. */
  readonly folders?: readonly string[];
  /** For `/load` and the whole table. Default 30,000. */
  readonly loadTimeoutMs?: number;
  /** For everything else. Default 5,000. */
  readonly timeoutMs?: number;
}

/** What the supervisor asks beside the CaddyApi. */
export interface AdminClient
  extends CaddyApi,
    CertificateSource,
    ExplainSource,
    RunsSource,
    Layer4Source,
    MetricSource {
  /** Never throws. Needs no module of ours in that Caddy. */
  probe(): Promise<Probe>;
  /**
   * Whether the configuration is loaded. A starting Caddy opens its admin endpoint before it starts its apps, and
   * may still fail then; questions about the configuration wait for that. Never throws.
   */
  isLoaded(): Promise<boolean>;
  /** Leaves the connections that there are: another process answers at the address, or another admin server. */
  renew(): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Question {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  readonly path: string;
  readonly body?: Buffer;
  readonly limitMs: number;
  /** Ends the question before its time. */
  readonly signal?: AbortSignal;
}

/** What changes a version that can be read back; everything else may be asked or told twice. */
const versioned = new Set(["/load", "/gatewright/table"]);

/** Connections are tried for 3 s, names that are asked for have their time before. */
const EXPLAIN_TIMEOUT_MS = 15_000;

/** The longest time between two pieces of a stream. */
const STREAM_STALL_MS = 60_000;

/** Caddy answers at the latest after 20 s. */
const WAKES_TIMEOUT_MS = 30_000;

/** Caddy's admin endpoint over HTTP. One per process: it keeps connections open. */
export function createAdminClient(options: AdminClientOptions): AdminClient {
  const address = parseAdminUrl(options.adminUrl);
  const scrub = createScrub(options.secrets ?? [], options.folders ?? []);
  const timeoutMs = options.timeoutMs ?? 5_000;
  const loadTimeoutMs = options.loadTimeoutMs ?? 30_000;
  const openPool = () => {
    const socket = address.socketPath === undefined ? {} : { socketPath: address.socketPath };
    return new Pool(address.url, { connections: 4, connect: { timeout: timeoutMs, ...socket } });
  };
  let pool = openPool();
  function renew(): void {
    const old = pool;
    pool = openPool();
    void old.close();
  }

  // `undici.request` and not `fetch`: that one sends Sec-Fetch-Mode, which Caddy answers with 403.
  async function send({ method, path, body, limitMs, signal }: Question): Promise<Answer> {
    const response = await pool.request({
      method,
      path,
      body: body ?? null,
      headers: {
        origin: `http://${address.origins[0]}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      signal: AbortSignal.any([AbortSignal.timeout(limitMs), ...(signal === undefined ? [] : [signal])]),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { status: response.statusCode, body: await response.body.text() };
  }

  async function ask(question: Question): Promise<Answer> {
    try {
      return await send(question).catch((error: unknown) => {
        // Caddy drops what it reads while a load replaces its admin server, and closes kept connections. A load or a
        // change of the table is not repeated: its caller reads back whether it was carried out.
        if (isLostConnection(error) && !versioned.has(question.path)) return send(question);
        throw error;
      });
    } catch (cause) {
      const reason = scrub(cause instanceof Error ? cause.message : String(cause));
      const { method, path } = question;
      const message = `Caddy gave no answer to ${method} ${path}: ${reason}`;
      throw new GatewrightError("caddy_unavailable", message, { cause });
    }
  }

  /** Reads lines of JSON as they are taken. */
  async function* readLines(path: string): AsyncGenerator<readonly unknown[]> {
    let left = "";
    try {
      const { body, statusCode } = await pool.request({
        method: "GET",
        path,
        headers: { origin: `http://${address.origins[0]}` },
        headersTimeout: loadTimeoutMs,
        bodyTimeout: STREAM_STALL_MS,
      });
      if (statusCode !== 200) throw lackingExplain(refusal(statusCode, await body.text(), scrub));
      body.setEncoding("utf8");
      for await (const chunk of body) {
        const lines = `${left}${chunk as string}`.split("\n");
        left = lines.pop() ?? "";
        yield lines.map((line) => JSON.parse(line) as unknown);
      }
    } catch (cause) {
      if (cause instanceof GatewrightError) throw cause;
      const reason = scrub(cause instanceof Error ? cause.message : String(cause));
      throw new GatewrightError("caddy_unavailable", `Caddy broke off its answer to GET ${path}: ${reason}`, {
        cause,
      });
    }
  }

  async function* runs({ ingress, host }: RunSelection): AsyncGenerator<readonly RunsLine[]> {
    const query = new URLSearchParams({
      ...(ingress === undefined ? {} : { ingress }),
      ...(host === undefined ? {} : { host }),
    });
    let ended = false;
    for await (const lines of readLines(`/gatewright/runs?${query.toString()}`)) {
      ended ||= lines.some((line) => (line as { readonly end?: true }).end === true);
      yield (lines as readonly (RunsLine | { readonly end: true })[]).filter(
        (line): line is RunsLine => !("end" in line),
      );
    }
    if (!ended) throw new GatewrightError("caddy_unavailable", "Caddy's answer about what runs has no end");
  }

  async function demand(
    method: Question["method"],
    path: string,
    body?:
      | CaddyConfig
      | Table
      | TableDelta
      | AddressPush
      | TargetPush
      | ExplainQuestion
      | { readonly names: readonly string[] }
      | { readonly version: string },
    limitMs = timeoutMs,
  ): Promise<Answer> {
    const answer = await ask({
      method,
      path,
      limitMs,
      ...(body === undefined ? {} : { body: await stringifyInSlices(body) }),
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusal(answer.status, answer.body, scrub);
  }

  return {
    running: async () => parseVersions((await demand("GET", "/gatewright/state")).body),
    config: async () => {
      const { body } = await demand("GET", "/config/", undefined, loadTimeoutMs);
      return (JSON.parse(body) as RunningConfig | null) ?? {};
    },
    layer4: async () => {
      const { body } = await demand("GET", "/gatewright/layer4");
      return (JSON.parse(body) as { readonly rules: Awaited<ReturnType<Layer4Source["layer4"]>> }).rules;
    },
    load: async (config) => {
      try {
        await demand("POST", "/load", config, loadTimeoutMs);
      } finally {
        // Each load replaces the admin server and closes its idle connections: the next requests need not find out.
        renew();
      }
    },
    patchTable: async (delta) => void (await demand("PATCH", "/gatewright/table", delta)),
    replaceTable: async (table) => void (await demand("PUT", "/gatewright/table", table, loadTimeoutMs)),
    commitTable: async (version) => void (await demand("POST", "/gatewright/table/commit", { version })),
    pushAddresses: async (push) => void (await demand("POST", "/gatewright/addresses", push)),
    pushTargets: async (push) => void (await demand("POST", "/gatewright/targets", push)),
    awaitWakes: async (signal) => {
      const answer = await ask({
        method: "GET",
        path: "/gatewright/wakes",
        limitMs: WAKES_TIMEOUT_MS,
        signal,
      });
      if (answer.status !== 200) throw refusal(answer.status, answer.body, scrub);
      return (JSON.parse(answer.body) as { readonly instances: readonly string[] }).instances;
    },
    metrics: async ({ ingresses, histograms }) => {
      const { body } = await demand(
        "GET",
        `/gatewright/metrics?ingresses=${ingresses}&histograms=${histograms}`,
      );
      return (JSON.parse(body) as { readonly families: Awaited<ReturnType<MetricSource["metrics"]>> })
        .families;
    },
    traffic: async (ingress) => {
      const { body } = await demand("GET", `/gatewright/traffic?ingress=${encodeURIComponent(ingress)}`);
      return (JSON.parse(body) as { readonly windows: Awaited<ReturnType<MetricSource["traffic"]>> }).windows;
    },
    trafficMinutes: async () => {
      const { body } = await demand("GET", "/gatewright/traffic/minutes");
      return (JSON.parse(body) as { readonly minutes: Awaited<ReturnType<MetricSource["trafficMinutes"]>> })
        .minutes;
    },
    certificates: async (names) =>
      parseCertificates((await demand("POST", "/gatewright/certificates", { names })).body, scrub),
    runs,
    explain: async (question) => {
      const answer = demand("POST", "/gatewright/explain", question, EXPLAIN_TIMEOUT_MS);
      const { body } = await answer.catch((error: unknown) => {
        throw lackingExplain(error);
      });
      return parseRehearsed(body, scrub);
    },
    probe: async () => {
      try {
        // Go's expvar page: the only answer of a stock Caddy that says which process gave it.
        const question = { method: "GET", path: "/debug/vars", limitMs: Math.min(timeoutMs, 2_000) } as const;
        return parseProbe((await ask(question)).body);
      } catch (error) {
        return { kind: isRefusedConnection(error) ? "nothing" : "other" };
      }
    },
    isLoaded: async () => {
      const question = { method: "GET", path: "/config/admin", limitMs: Math.min(timeoutMs, 2_000) } as const;
      return ask(question).then(
        ({ status }) => status === 200,
        () => false,
      );
    },
    renew,
    close: () => pool.destroy(),
  };
}

/** Whether nobody listens there: the address refuses connections, or the socket file is missing. */
function isRefusedConnection(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as { readonly code?: unknown };
  return code === "ECONNREFUSED" || code === "ENOENT";
}

function isLostConnection(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
