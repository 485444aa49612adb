import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import express from "express";
import { expect, it } from "vitest";
import { traceRequests } from "../../src/http/observe.ts";
import type { SpanOptions, Tracing } from "../../src/telemetry/tracing.ts";
import { call } from "../support/api.ts";
import { listening } from "../support/listening.ts";
import { until } from "../support/until.ts";

/** What was told of a span. */
interface Told {
  name: string;
  options: SpanOptions | undefined;
  attributes: object;
  ended?: string | undefined;
  isOver: boolean;
}

function recordingTracing(): { readonly tracing: Tracing; readonly spans: Told[] } {
  const spans: Told[] = [];
  const begin: Tracing["begin"] = (name, options) => {
    const told: Told = { name, options, attributes: { ...options?.attributes }, isOver: false };
    spans.push(told);
    return {
      run: (work) => work(),
      set: (attributes, renamed = told.name) => {
        told.name = renamed;
        Object.assign(told.attributes, attributes);
      },
      end: (failure) => {
        told.ended = failure;
        told.isOver = true;
      },
    };
  };
  return { tracing: { begin }, spans };
}

function startTraced() {
  const { tracing, spans } = recordingTracing();
  const app = express();
  app.use(traceRequests(tracing));
  app.get("/things/:id", (_request, response) => void response.end("one"));
  app.get("/broken", (_request, response) => void response.status(503).end());
  app.get("/slow", () => {});
  return listening(createServer(app)).then((server) => ({
    spans,
    url: `http://127.0.0.1:${server.port}`,
    port: server.port,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }));
}

it("names spans by the route, never by the path, and passes the caller's headers on", async () => {
  await using server = await startTraced();
  await call(`${server.url}/things/secret?q=secret`, { headers: { traceparent: "00-of-the-caller" } });
  await until(() => server.spans[0]?.isOver === true);
  const [span] = server.spans;
  expect(span).toMatchObject({
    name: "GET /things/:id",
    attributes: {
      "http.request.method": "GET",
      "http.route": "/things/:id",
      "http.response.status_code": 200,
    },
    ended: undefined,
  });
  expect(span?.options?.headers).toMatchObject({ traceparent: "00-of-the-caller" });
  expect(JSON.stringify(span?.attributes)).not.toContain("secret");
});

it("ends spans as failed where the answer is a failure of ours", async () => {
  await using server = await startTraced();
  await call(`${server.url}/broken`);
  await call(`${server.url}/nothing`);
  await call(`${server.url}/nothing`, { method: "PROPFIND" });
  await until(() => server.spans.length === 3 && server.spans.every(({ isOver }) => isOver));
  expect(server.spans.map(({ ended, name }) => [name, ended])).toEqual([
    ["GET /broken", "503"],
    ["GET", undefined],
    ["_OTHER", undefined],
  ]);
});

it("ends the span of a client that goes away before its answer", async () => {
  await using server = await startTraced();
  const socket = connect(server.port, "127.0.0.1");
  socket.write("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => server.spans.length === 1);
  socket.destroy();
  await once(socket, "close");
  await until(() => server.spans[0]?.isOver === true);
  expect(server.spans[0]).toMatchObject({ name: "GET /slow", ended: "client_gone" });
  expect(server.spans[0]?.attributes).not.toHaveProperty(["http.response.status_code"]);
});
