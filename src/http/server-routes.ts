import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Router } from "express";
import type { Readiness } from "../manager/ingress-manager.ts";
import document from "../model/openapi.json" with { type: "json" };
import { methodNotAllowed } from "./error-handler.ts";
import { sendJson, sendText } from "./wire.ts";

/** `/health` and `/ready`, for probes: public whatever Host they use. */
export function probeRoutes(readiness: () => Readiness): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route("/health")
    .get((_request, response) => sendJson(response, 200, { status: "ok" }))
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/ready")
    .get((_request, response) => {
      const { ready, reasons } = readiness();
      if (!ready) response.setHeader("Retry-After", 1);
      sendJson(response, ready ? 200 : 503, { status: ready ? "ready" : "not_ready", reasons });
    })
    .all(methodNotAllowed(["GET", "HEAD"]));
  return router;
}

/** `/openapi.json` and `/docs`: the document, to read and to browse. */
export function documentRoutes(version: string): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const served = `${JSON.stringify({ ...document, info: { ...document.info, version } })}\n`;
  router
    .route("/openapi.json")
    .get((_request, response) => sendText(response, 200, "application/json", served))
    .all(methodNotAllowed(["GET", "HEAD"]));
  router
    .route("/docs")
    .get((_request, response) => {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.setHeader("Content-Security-Policy", contentSecurityPolicy);
      response.end(PAGE);
    })
    .all(methodNotAllowed(["GET", "HEAD"]));
  router.use("/docs", (request, response, next) => {
    const name = request.path.slice(1);
    if (request.method !== "GET" && request.method !== "HEAD") next();
    else if (name === "start.js") sendText(response, 200, "text/javascript; charset=utf-8", START);
    else if (!assets.has(name)) next();
    else
      response.sendFile(name, { root: assetFolder, cacheControl: false }, (error) => {
        // A client that goes away has no answer to read.
        if (error !== undefined && !response.headersSent) next(error);
      });
  });
  return router;
}

/** Nothing from elsewhere. swagger-ui draws its icons as data: images and sets style attributes. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatewright</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** `validatorUrl: null`: by default swagger-ui sends the document's address to a service on the internet. */
const START = `SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null, tryItOutEnabled: true,
});
`;

const BUNDLE = "swagger-ui-bundle.js";
/** Files of swagger-ui that the page needs; the folder has more. */
const assets: ReadonlySet<string> = new Set([BUNDLE, "swagger-ui.css", "favicon-32x32.png"]);
const assetFolder = dirname(fileURLToPath(import.meta.resolve(`#swagger-ui/${BUNDLE}`)));
