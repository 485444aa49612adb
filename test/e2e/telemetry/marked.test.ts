import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { call, rule } from "../../support/api.ts";
import { startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { startOtlpReceiver } from "../../support/otlp/receiver.ts";
import { signToken } from "../../support/sign-token.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";
import { visitFrom } from "../../support/visit-from.ts";

/** What requests bring along, none of which is anybody else's to read. */
const marks = {
  path: "markedpath",
  query: "markedquery",
  header: "markedheader",
  cookie: "markedcookie",
  password: "markedpassword",
  host: "markedhost",
  client: "127.91.82.73",
};
const secret = "markedsecret".padEnd(32, "s");
const token = signToken(secret, { sub: "ann", permissions: ["*"] });
const authorization = `Bearer ${token}`;

const receiver = use(() => startOtlpReceiver());
const backend = use(() => startBackend());
const gatewright = useGatewright(() => ({
  JWT_SECRET: secret,
  OTEL_ENABLED: "true",
  OTEL_ENDPOINT: receiver.endpoint,
  OTEL_EXPORTER_OTLP_HEADERS: "x-key=markedexport",
  OTEL_METRIC_EXPORT_INTERVAL: "200",
  LOG_LEVEL: "debug",
  LOG_LEVEL_CADDY: "info",
  // In a file of its own, which has what others must not.
  ACCESS_LOG: "all",
  ACCESS_LOG_CLIENT: "none",
}));

/** The status of a request with all marks. */
async function visit(host: string): Promise<number> {
  const { status } = await visitFrom(gatewright.ports.http, host, `/${marks.path}?q=${marks.query}`, {
    from: marks.client,
    headers: {
      "x-marked": marks.header,
      "x-forwarded-for": marks.client,
      "user-agent": marks.header,
      referer: `http://${marks.host}/${marks.path}`,
      cookie: `c=${marks.cookie}`,
      authorization: `Basic ${Buffer.from(`ann:${marks.password}`).toString("base64")}`,
    },
  });
  return status;
}

async function make(name: string, port: number, more: Partial<IngressRuleInput> = {}): Promise<void> {
  const body = { name, rules: [{ ...rule(`${name}.test`, "web-1", port), ...more }] };
  const created = await call(`${gatewright.url}/ingresses`, { headers: { authorization }, body });
  expect(created.status, created.text).toBe(201);
}

it("no path, query, client address, header or token of requests is in metrics, OTLP or logs, but for paths in spans", async () => {
  const { url } = gatewright;
  await call(`${url}/instances/web-1`, {
    method: "PUT",
    headers: { authorization },
    body: { network: { ip: "127.0.0.1" } },
  });
  await make("fine", backend.port);
  await make("away", await freePort());
  await make("denied", backend.port, { policies: { access: { deny: ["127.91.0.0/16"] } } });
  await make("limited", backend.port, {
    policies: { rate_limit: { requests_per_second: 1, burst: 1, key: "header:X-Marked" } },
  });
  await make("guarded", backend.port, {
    policies: {
      basic_auth: { users: { ann: "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy" } },
    },
  });
  const seen = [];
  for (const host of ["fine", "away", "denied", "limited", "limited", "guarded"])
    seen.push(await visit(`${host}.test`));
  expect(seen).toEqual([200, 502, 403, 200, 429, 401]);
  expect(await visit(`${marks.host}.test`)).toBe(404);
  // The API's own callers.
  for (const path of [`/ingresses?name=${marks.query}`, `/${marks.path}`, `/ingresses/${marks.path}`])
    await call(`${url}${path}`, { headers: { authorization, "x-marked": marks.header } });
  await call(`${url}/ingresses`, { headers: { authorization: `Bearer ${token}x` } });

  const exported = receiver.exports;
  await until(() => receiver.metrics.some(({ name }) => name === "gatewright_caddy_scrape_up"));
  await until(() => receiver.logs.some(({ body }) => body === "request"));
  await until(() => receiver.exports > exported + 5);
  const { text: metrics } = await call(`${url}/metrics`, { headers: { authorization } });
  const outputs = {
    metrics,
    otlp: JSON.stringify([receiver.metrics, receiver.logs]),
    traces: JSON.stringify(receiver.traces),
    log: gatewright.output(),
    caddyLog: await readFile(join(gatewright.dataDir, "caddy/caddy.log"), "utf8"),
  };
  expect(outputs.metrics).toContain("gatewright_ingresses 5");
  for (const [output, content] of Object.entries(outputs))
    for (const [mark, value] of Object.entries({ ...marks, secret, token, exported: "markedexport" })) {
      // A span has the host and the path of its request (OpenTelemetry's semantic conventions).
      if (output === "traces" && (mark === "host" || mark === "path")) continue;
      expect(content.includes(value), `${mark} in ${output}`).toBe(false);
    }
});
