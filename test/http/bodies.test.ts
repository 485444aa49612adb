import { describe, expect, it } from "vitest";
import { startApi } from "../support/http-api.ts";
import { instanceFrom } from "../support/instances.ts";

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
