import { describe, expect, it } from "vitest";
import { isGatewrightError } from "../../src/errors.ts";
import { readQuestion } from "../../src/explain/question.ts";
import type { ExplainRequest } from "../../src/model/api.ts";

const ports = { http: 8000, https: 8443 };
const read = (request: ExplainRequest) => readQuestion(request, ports);

function problemsOf(request: ExplainRequest): readonly (string | undefined)[] {
  try {
    read(request);
  } catch (error) {
    if (isGatewrightError(error, "bad_request")) return error.details.map(({ field }) => field);
    throw error;
  }
  return [];
}

describe("what Caddy is asked", () => {
  it.each([
    [
      "http://shop.test/a?b#c",
      { network: "http", port: 8000, tls: false, host: "shop.test", target: "/a?b", server_name: "" },
    ],
    [
      "https://Shop.Test",
      { port: 8443, tls: true, host: "shop.test", target: "/", server_name: "shop.test" },
    ],
    ["https://shop.test:443/", { port: 443, host: "shop.test" }],
    ["http://shop.test:81?x", { port: 81, host: "shop.test:81", target: "/?x" }],
    ["https://[::1]:9/", { port: 9, host: "[::1]:9", server_name: "" }],
    ["https://192.0.2.1/", { server_name: "" }],
    ["http://bücher.test/a/../b", { host: "xn--bcher-kva.test", target: "/a/../b" }],
    ["http://shop.test/%c3%A9?a=%", { target: "/%c3%A9?a=%" }],
    ["tls://db.test:5432", { network: "http", port: 5432, tls: true, server_name: "db.test" }],
    ["tcp://127.0.0.1:5432", { network: "tcp", port: 5432, tls: false }],
    ["udp://127.0.0.1:53", { network: "udp", port: 53 }],
  ])("%s", (url, wanted) => expect(read({ url })).toMatchObject(wanted));

  it("has the Host header of the request, and the others as lists", () => {
    const asked = read({
      url: "https://127.0.0.1/",
      headers: { HOST: "shop.test", "X-A": "1" },
      sni: "other.test",
    });
    expect(asked).toMatchObject({ host: "shop.test", headers: { "X-A": ["1"] }, server_name: "other.test" });
  });

  it.each([
    ["shop.test/", ["url"]],
    ["ftp://shop.test/", ["url"]],
    ["http://ann:pw@shop.test/", ["url"]],
    ["http://shop.test/a b", ["url"]],
    ["http://shop.test/%zz", ["url"]],
    ["http://shop.test/a%2?b", ["url"]],
    ["http://shop.test:0/", ["url"]],
    ["http://shop.test:65536/", ["url"]],
    ["tcp://127.0.0.1", ["url"]],
    ["http:///a", ["url"]],
  ])("refuses %s", (url, fields) => expect(problemsOf({ url })).toEqual(fields));
});
