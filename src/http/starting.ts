import type { RequestListener } from "node:http";
import { toWire } from "./wire.ts";

/** Answers while the rest starts, which takes minutes when Caddy has to be built: `/health` is well, all else waits. */
export const startingApp: RequestListener = (request, response) => {
  if (request.url === "/health") return answer(200, { status: "ok" });
  response.setHeader("Retry-After", 1);
  if (request.url === "/ready") return answer(503, { status: "not_ready", reasons: ["starting"] });
  answer(503, { code: "caddy_unavailable", message: "Gatewright is starting. Try again." });

  function answer(status: number, body: object): void {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(`${toWire(body)}\n`);
  }
};
