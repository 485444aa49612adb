import { describe, expect, it } from "vitest";
import { errorCatalogue } from "../../src/errors.ts";
import { errorStatus } from "../../src/http/error-status.ts";
import document from "../../src/model/openapi.json" with { type: "json" };
import { documentedOperations } from "../contract/documented.ts";
import { startApi } from "../support/http-api.ts";
import { use } from "../support/use.ts";

/** What Express keeps of a router. */
interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
  readonly handle: { readonly stack?: readonly Layer[] };
}

/** Every `METHOD /path` that the app has a handler for, with parameters as OpenAPI writes them. */
function routesOf(layers: readonly Layer[]): string[] {
  return layers.flatMap(({ route, handle }) => {
    if (route === undefined) return routesOf(handle.stack ?? []);
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    return route.stack
      .filter(({ method }) => method !== undefined)
      .map(({ method }) => `${method?.toUpperCase()} ${path}`);
  });
}

const api = use(() => startApi());

describe("openapi.json", () => {
  it("has each route of the app and no other", () => {
    const routes = routesOf((api.app.router as unknown as { stack: readonly Layer[] }).stack);
    const documented = documentedOperations().map(({ method, path }) => `${method} ${path}`);
    expect(routes.sort()).toEqual(documented.sort());
    expect(routes.length).toBeGreaterThan(10);
  });

  it("says of each operation that takes a token what wrong ones come to", () => {
    const silent = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, { responses }]) => "401" in responses && !("429" in responses))
        .map(([method]) => `${method} ${path}`),
    );
    expect(silent).toEqual([]);
  });

  it("lists each error code of src/errors.ts and no other", () => {
    expect(document.components.schemas.ErrorCode.enum).toEqual(Object.keys(errorCatalogue));
  });

  it("documents the status of each code that an answer can have", () => {
    const statuses = new Set(
      Object.values(document.paths).flatMap((operations) =>
        Object.values(operations).flatMap((operation: { responses: object }) =>
          Object.keys(operation.responses),
        ),
      ),
    );
    const answered = Object.values(errorStatus).filter((status) => status !== 405);
    for (const status of answered) expect(statuses).toContain(String(status));
  });

  it("names each operation once", () => {
    const ids = Object.values(document.paths).flatMap((operations) =>
      Object.values(operations).map((operation: { operationId: string }) => operation.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it("a path that another method is for says which it takes, and that there is no use in trying again", async () => {
  await using own = await startApi();
  for (const [path, method, allowed] of [
    ["/certificates", "PUT", "GET, HEAD, POST"],
    ["/certificates/x", "POST", "GET, HEAD, DELETE"],
    ["/tokens", "PUT", "GET, HEAD, POST"],
    ["/tokens/x", "POST", "GET, HEAD, DELETE"],
    ["/instances", "POST", "GET, HEAD"],
    ["/instances/x", "POST", "GET, HEAD, PUT, DELETE"],
    ["/instances/x/traffic", "POST", "GET, HEAD, PUT"],
    ["/ingresses", "DELETE", "GET, HEAD, POST"],
    ["/ingresses/x", "POST", "GET, HEAD, PUT, PATCH, DELETE"],
    ["/ingresses/x/status", "PUT", "GET, HEAD"],
    ["/ingresses/x/traffic", "PUT", "GET, HEAD"],
    ["/status", "POST", "GET, HEAD"],
    ["/metrics", "POST", "GET, HEAD"],
    ["/health", "POST", "GET, HEAD"],
    ["/ready", "POST", "GET, HEAD"],
    ["/openapi.json", "POST", "GET, HEAD"],
    ["/docs", "POST", "GET, HEAD"],
  ] as const) {
    const { status, headers, text } = await own.call({ method, path });
    expect([path, status, headers.allow, headers["x-should-retry"], text]).toEqual([
      path,
      405,
      allowed,
      "false",
      "",
    ]);
  }
  const unknown = await own.call({ path: "/nothing" });
  expect([unknown.status, unknown.headers["x-should-retry"]]).toEqual([404, "false"]);
  expect((await own.call({ method: "POST", path: "/docs/start.js" })).status).toBe(404);
  expect((await own.call({ method: "HEAD", path: "/docs/start.js" })).status).toBe(200);
});
