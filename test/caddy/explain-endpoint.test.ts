import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { createAdminClient } from "../../src/caddy/admin-client.ts";
import type { ExplainQuestion } from "../../src/caddy/caddy-api.ts";
import { use } from "../support/use.ts";

const question: ExplainQuestion = {
  network: "http",
  port: 80,
  tls: false,
  server_name: "",
  host: "a.test",
  target: "/",
  method: "GET",
  headers: {},
  connect: false,
};

/** Answers each path with what is set. */
const answers = new Map<string, { readonly status: number; readonly body: string }>();
const endpoint = use(async () => {
  const server = createServer((request, response) => {
    request.resume();
    const { status, body } = answers.get(request.url ?? "") ?? { status: 404, body: "404 page not found" };
    response.writeHead(status).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createAdminClient({
    adminUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secrets: ["s3cret-token"],
  });
  return {
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      server.close();
    },
  };
});

async function lines(): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for await (const some of endpoint.client.runs({ ingress: "a", host: "*.b" })) all.push(...some);
  return all;
}

it("names the module that a Caddy of another build lacks", async () => {
  answers.clear();
  for (const ask of [() => endpoint.client.explain(question), lines])
    await expect(ask()).rejects.toMatchObject({ code: "module_missing", message: /gatewright_explain/ });
});

it("takes secrets out of Caddy's words, and leaves what was asked as it is", async () => {
  const told = {
    error: "dial: s3cret-token at /root/x/y",
    sent: { method: "GET", uri: "/home/ann?s3cret-token", host: "a.test" },
    steps: [{ handler: "x", verdict: "refused", reason: "s3cret-token" }],
  };
  answers.set("/gatewright/explain", { status: 200, body: JSON.stringify(told) });
  expect(await endpoint.client.explain(question)).toEqual({
    error: "dial: [redacted] at y",
    sent: told.sent,
    steps: [{ handler: "x", verdict: "refused", reason: "[redacted]" }],
  });
});

it("reads lines of what runs, and does not take a part for the whole", async () => {
  const path = "/gatewright/runs?ingress=a&host=*.b";
  const body = '{"row":{"id":"a/0"}}\n{"policy_set":"k","set":{}}\n';
  answers.set(path, { status: 200, body: `${body}{"end":true}\n` });
  expect(await lines()).toEqual([{ row: { id: "a/0" } }, { policy_set: "k", set: {} }]);
  answers.set(path, { status: 200, body });
  await expect(lines()).rejects.toMatchObject({ code: "caddy_unavailable" });
});
