import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ApplyResult } from "../../../src/model/api.ts";
import { type Answer, askCaddy, call, rule, visit } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import {
  type BodyOperation,
  bodyOperations,
  type Json,
  type StringField,
} from "../../support/string-fields.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

interface Refusal {
  readonly code: string;
  readonly details?: readonly { readonly code: string; readonly field?: string; readonly message: string }[];
}

/** Of these nothing reaches Caddy but whole ingresses, which were taken before. */
const withoutCaddy = ["/plan", "/tokens", "/session", "/export", "/import"];
const operations = bodyOperations().filter(({ path }) => !withoutCaddy.includes(path));
/** Names and contents that stand nowhere unless Caddy has expanded a placeholder. */
const canary = `canary-${process.pid}-of-the-home`;
const fileCanary = `canary-${process.pid}-of-a-file`;
const host = "placeholder-canary.example.com";
const otherHost = `other.${host}`;

const folder = use(temporaryFolder);
const home = () => join(folder.path, canary);
const file = () => join(folder.path, "file");
const backend = use(() => startBackend());
const gatewright = useGatewright(async () => {
  await mkdir(home());
  await writeFile(file(), fileCanary);
  return { HOME: home(), LOG_LEVEL: "debug" };
}, ["web-1", "walked"]);
/** Id of the ingress that is replaced and patched. */
let present: string;
const payloads = () => ["{env.HOME}", `{file.${file()}}`, "{http.request.host}", "\\{x\\}", "a{env.HOME}b"];
/** Everything that came back through Caddy. */
const seen: string[] = [];

beforeAll(async () => {
  const { body } = await call<{ id: string }>(`${gatewright.url}/ingresses`, {
    body: baseOf("/ingresses/{id}"),
  });
  present = body.id;
});

/** A sound body to put the text into; what exists already has another hostname than what is made. */
function baseOf(path: string): Json | undefined {
  const bases: { readonly [path: string]: object } = {
    "/ingresses": { name: "walked", rules: [rule(host, "web-1", backend.port)] },
    "/ingresses/{id}": { name: "present", rules: [rule(otherHost, "web-1", backend.port)] },
    "/apply": [{ name: "walked", rules: [rule(host, "web-1", backend.port)] }],
    "/instances/{id}": { network: { ip: "127.0.0.1" } },
  };
  return bases[path] as Json | undefined;
}

/** Puts right what two fields mean for each other, which the schema of neither says. */
function consistent(body: Json, field: string): unknown {
  // Sets have one document.
  if (Array.isArray(body)) return [consistent(body[0] as Json, field.replace(/^\[0\]\./, ""))];
  if (!field.startsWith("rules[0].target")) return body;
  const instance = { instance: "web-1", port: backend.port };
  const complete = (target: object): object =>
    "service" in target || "address" in target
      ? { port: backend.port, ...target, instance: undefined }
      : { ...instance, ...target };
  const { rules } = body as unknown as { rules: { target?: object; targets?: object[] }[] };
  const whole = rules.map(({ target, targets, ...rest }) =>
    targets === undefined
      ? { ...rest, target: complete(target ?? {}) }
      : { ...rest, targets: targets.map(complete) },
  );
  return { ...(body as object), rules: whole };
}

async function send(
  operation: BodyOperation,
  field: StringField,
  text: string,
): Promise<Answer<Refusal | undefined>> {
  const { method, path, mediaType, least } = operation;
  const url = `${gatewright.url}${path.replace("{id}", path.startsWith("/ingresses") ? present : "walked")}`;
  const body = JSON.stringify(consistent(field.body(baseOf(path) ?? least, text), field.field));
  return call<Refusal>(url, { method, body, headers: { "content-type": mediaType } });
}

/** Whether the refusal names the place of the text. */
function names({ details = [] }: Refusal, field: StringField, text: string): boolean {
  // Problems of sets name the set.
  const allowed = field.namedAs(text).map((name) => (name.startsWith("[") ? `ingresses${name}` : name));
  return details.some(({ field: named = "" }) => allowed.includes(named));
}

/** Headers that have the visitor's Host for good reason. */
const ownHost = new Set(["host", "x-forwarded-host", "forwarded"]);

/** Every text in a JSON value, or the text itself. */
function texts(text: string): readonly string[] {
  const found: string[] = [];
  try {
    JSON.parse(text, (key, value: unknown) => {
      if (typeof value === "string" && !ownHost.has(key)) found.push(value);
      return value;
    });
  } catch {
    found.push(text);
  }
  return found;
}

function expectLiteral(answer: Answer): void {
  const { date: _, ...headers } = answer.headers;
  seen.push(answer.text);
  for (const text of [...texts(answer.text), ...texts(JSON.stringify(headers))]) {
    expect(text).not.toContain(canary);
    expect(text).not.toContain(fileCanary);
    expect(text, "the Host where a placeholder stood").not.toContain(host);
    expect(text, "an escape that Caddy took away").not.toMatch(/(?<!\\)\{x/);
  }
}

/** Has the text accepted by the API pass through Caddy. */
async function checkAccepted({ path }: BodyOperation, answer: Answer, text: string): Promise<void> {
  expect(answer.text).not.toContain(canary);
  const visited = path === "/ingresses" || path === "/apply" ? host : otherHost;
  for (const accept of ["application/json", "text/html"]) {
    const headers = { accept, "x-name": text };
    const visitor = await visit(gatewright.ports.http, visited, "/", { headers });
    expect(visitor.status, "the rule takes the request").not.toBe(404);
    expectLiteral(visitor);
  }
}

async function putBack({ path }: BodyOperation, answer: Answer): Promise<void> {
  const { id } = answer.body as { readonly id: string };
  if (path === "/apply")
    for (const change of (answer.body as unknown as ApplyResult).changes)
      await call(`${gatewright.url}/ingresses/${change.id}`, { method: "DELETE" });
  if (path === "/ingresses") await call(`${gatewright.url}/ingresses/${id}`, { method: "DELETE" });
  if (path === "/ingresses/{id}")
    await call(`${gatewright.url}/ingresses/${id}`, { method: "PUT", body: baseOf(path) });
}

describe.each(operations)("$method $path ($mediaType)", (operation) => {
  const fields = operation.fields.map((field) => [field.field, field] as const);

  it.each(fields)("takes %s literally or refuses it", async (_name, field) => {
    // Every operation on ingresses has the same rules behind it: one of them with all, the others with two.
    for (const payload of operation.path === "/ingresses" ? payloads() : payloads().slice(2, 4)) {
      const answer = await send(operation, field, payload);
      if (answer.status < 400) {
        await checkAccepted(operation, answer, payload).finally(() => putBack(operation, answer));
        continue;
      }
      expect(answer.status, answer.text).toBeLessThan(500);
      const isNamed = names(answer.body ?? { code: "" }, field, payload);
      expect(isNamed, `${payload} in ${field.field}: ${answer.text}`).toBe(true);
    }
  });
});

describe("after all of that", () => {
  it("the walk has seen the fields that there are", () => {
    const fields = operations.flatMap(({ fields }) => fields.map(({ field }) => field));
    expect(fields).toEqual(
      expect.arrayContaining([
        "name",
        'tags["X-Name"]',
        "rules[0].match.hostname",
        "rules[0].match.path.value",
        'rules[0].match.headers["X-Name"]',
        "rules[0].match.methods[0]",
        "rules[0].target.instance",
        "rules[0].request_header_auth.value",
        "network.ip",
      ]),
    );
    expect(seen.length).toBeGreaterThan(0);
  });

  it("nothing expanded stands in Caddy's configuration, table or log, nor in Gatewright's", async () => {
    const { admin } = gatewright.ports;
    const { text: sets } = await askCaddy(admin, "/gatewright/policy_sets");
    expect(sets).toContain("reverse_proxy");
    const text = (await askCaddy(admin, "/config/")).text + sets;
    const log = await readFile(join(gatewright.dataDir, "caddy/caddy.log"), "utf8");
    for (const place of [text, log, gatewright.output()]) expect(place).not.toContain(fileCanary);
    // Caddy logs the folder of its own storage, which is not under HOME.
    for (const place of [text, gatewright.output()]) expect(place).not.toContain(canary);
  });

  it("names in addresses are names, too", async () => {
    for (const payload of payloads()) {
      const name = encodeURIComponent(payload);
      const put = await call(`${gatewright.url}/instances/${name}`, {
        method: "PUT",
        body: { network: { ip: "127.0.0.1" } },
      });
      expect(put.status).toBe(400);
      expect((await call(`${gatewright.url}/ingresses/${name}`)).status).toBe(404);
    }
  });
});

describe("a header condition with a placeholder", () => {
  it("is met by the text itself and not by what it would expand to", async () => {
    for (const [index, payload] of payloads().entries()) {
      const name = `literal-${index}`;
      const created = await call(`${gatewright.url}/ingresses`, {
        body: {
          name,
          rules: [rule(`${name}.example.com`, "web-1", backend.port, { headers: { "X-Text": payload } })],
        },
      });
      expect(created.status, created.text).toBe(201);
      const status = async (text: string) =>
        (await visit(gatewright.ports.http, `${name}.example.com`, "/", { headers: { "x-text": text } }))
          .status;
      expect(await status(payload)).toBe(200);
      for (const expanded of [home(), fileCanary, `${name}.example.com`, "{x}", `a${home()}b`, ""])
        expect(await status(expanded)).toBe(404);
    }
  });
});

describe("headers that a policy sets to a placeholder", () => {
  it("arrive as they were written, at the backend and at the visitor", async () => {
    for (const [index, payload] of payloads().entries()) {
      const name = `headers-${index}`;
      const headers = { request: { set: { "X-Out": payload } }, response: { set: { "X-Back": payload } } };
      const created = await call(`${gatewright.url}/ingresses`, {
        body: {
          name,
          rules: [{ ...rule(`${name}.example.com`, "web-1", backend.port), policies: { headers } }],
        },
      });
      expect(created.status, created.text).toBe(201);
      const answer = await visit(gatewright.ports.http, `${name}.example.com`);
      const { headers: arrived } = answer.body as Seen;
      expect([arrived["x-out"], answer.headers["x-back"]]).toEqual([payload, payload]);
    }
  });
});

describe("what visitors send", () => {
  it("is never expanded either", async () => {
    await call(`${gatewright.url}/ingresses`, {
      body: {
        name: "visited",
        rules: [rule("*", "web-1", backend.port), rule("{i}.pattern.example.com", "{i}", backend.port)],
      },
    });
    for (const payload of payloads()) {
      for (const [sentHost, path] of [
        [host, `/${encodeURIComponent(payload)}?q=${encodeURIComponent(payload)}`],
        ["{env.HOME}.pattern.example.com", "/"],
        ["{env.HOME}", "/"],
      ] as const) {
        const headers = { "x-text": payload, accept: "application/json" };
        const { text, status } = await visit(gatewright.ports.http, sentHost, path, { headers });
        expect([200, 400, 404, 503]).toContain(status);
        expect(text).not.toContain(canary);
        expect(text).not.toContain(fileCanary);
      }
    }
  });
});
