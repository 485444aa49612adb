import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";
import { use } from "../support/use.ts";

const rule = '"match":{"hostname":"a.example.com"},"target":{"instance":"vm-1","port":80}';

describe("E8: a key that is given twice", () => {
  it.each([
    [
      `{"name":"a","rules":[{${rule},"policies":{"access":{"deny":["0.0.0.0/0"]}},"policies":{}}]}`,
      ["rules[0].policies"],
    ],
    [`{"name":"a","name":"b","rules":[{${rule}}],\n "rules":[{${rule}}]}`, ["name", "rules"]],
    [`{"name":"a","n\\u0061me":"b","rules":[{${rule}}]}`, ["name"]],
    [`{"name":"a","tags":{"a b":"1","a b":"2"},"rules":[{${rule}}]}`, ['tags["a b"]']],
    [`{"name":"a","__proto__":{},"__proto__":{},"rules":[{${rule}}]}`, ["__proto__"]],
  ])("is refused with its place: %s", async (raw, fields) => {
    await using api = await startApi({ instances: [instanceFrom({ name: "vm-1" })] });
    const headers = { "Content-Type": "application/json" };
    const reply = await api.call({ method: "POST", path: "/ingresses", headers, raw });
    expect([reply.status, reply.json()["code"]]).toEqual([400, "Bad Request"]);
    expect(reply.json()["details"]).toEqual(
      fields.map((field) => ({
        code: "invalid_value",
        field,
        message: expect.stringMatching(/^the key is given twice \(line \d+ column \d+\): keep one of them$/),
      })),
    );
    expect((await api.call({ path: "/ingresses" })).text).toBe("[]\n");
  });

  it("names line and column", async () => {
    await using api = await startApi();
    const headers = { "Content-Type": "application/json" };
    const reply = await api.call({
      method: "PUT",
      path: "/instances/a",
      headers,
      raw: '{"network":{"ip":"10.0.0.1"},\n  "network":{"ip":"10.0.0.2"}}',
    });
    expect(reply.json()["message"]).toBe(
      "request body has an error: network: the key is given twice (line 2 column 3): keep one of them",
    );
  });

  it("is none in another object, or in a text", async () => {
    await using api = await startApi({ instances: [instanceFrom({ name: "vm-1" })] });
    const headers = { "Content-Type": "application/json" };
    const other = rule.replace("a.example", "b.example");
    const raw = `{"name":"a","tags":{"name":"a","rules":"name: name"},"rules":[{${rule}},{${other}}]}`;
    const reply = await api.call({ method: "POST", path: "/ingresses", headers, raw });
    expect(reply.status, reply.text).toBe(201);
  });
});

describe("a body", () => {
  const api = use(() => startApi());
  const post = (raw: string | Buffer, headers: { readonly [name: string]: string } = {}) =>
    api.call({
      method: "POST",
      path: "/ingresses",
      headers: { "Content-Type": "application/json", ...headers },
      raw,
    });
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

  it.each([
    [nested(33), "nested deeper than 32 levels"],
    [`{"a":${nested(32)}}`, "nested deeper than 32 levels"],
    ['{"secret": no}', "failed to decode request body: invalid JSON"],
    ['{"secret": "x"\n  "y"}', "failed to decode request body: invalid JSON (line 2 column 3)"],
    ['{"secret"', "failed to decode request body: unexpected EOF"],
    ['{"secret": "x', "failed to decode request body: unexpected EOF"],
    [" ", "failed to decode request body: unexpected EOF"],
  ])("%j is refused, and not repeated", async (raw, reason) => {
    const reply = await post(raw);
    expect([reply.status, reply.json()]).toEqual([
      400,
      { code: "Bad Request", message: `request body has an error: ${reason}` },
    ]);
  });

  it.each([
    [nested(32), {}],
    ["[]", { "Content-Type": " Application/JSON ; charset=utf-8" }],
    ["[]", { "Content-Encoding": "identity" }],
  ])("%j with %j is read", async (raw, headers) => {
    expect((await post(raw, headers)).json()["message"]).toMatch(/value must be an object$/);
  });

  it("that is compressed or has a long type of its own is refused", async () => {
    const compressed = await post("[]", { "Content-Encoding": "gzip" });
    expect(compressed.json()["message"]).toBe(
      "request body has an error: compressed bodies are not supported",
    );
    const { message } = (await post("[]", { "Content-Type": "x".repeat(5_000) })).json();
    expect(message).toBe(
      `request body has an error: header Content-Type has unexpected value "${"x".repeat(100)}"`,
    );
  });

  it("has 200 keys that are given twice named, and no more", async () => {
    const raw = `{${Array.from({ length: 300 }, (_, at) => `"k${at}":1,"k${at}":2`).join()}}`;
    const { details } = (await post(raw)).json<{ details: readonly { field: string }[] }>();
    expect([details.length, details[0]?.field, details[199]?.field]).toEqual([200, "k0", "k199"]);
  });

  it("that its client never ends is no failure of ours", async () => {
    const socket = connect(api.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("POST /ingresses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{");
    // An answer to another call comes after what was sent before was read.
    await api.call({ path: "/health" });
    socket.destroy();
    for (let calls = 0; calls < 5; calls++) await api.call({ path: "/health" });
    expect(api.logger.entries.filter(({ level }) => level === "error")).toEqual([]);
  });
});
