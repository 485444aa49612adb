import express, { type Express, type RequestHandler } from "express";
import type { Logger } from "../log.ts";
import type { IngressManager, Readiness } from "../manager/ingress-manager.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { AuthOptions } from "./auth.ts";
import { errorHandler, notFound } from "./error-handler.ts";
import { hostGuard } from "./host-guard.ts";
import { ingressRoutes } from "./ingresses.ts";
import { instanceRoutes, type WritableRegistry } from "./instances.ts";
import { defaultLimits, type HttpLimits } from "./limits.ts";
import { documentRoutes, probeRoutes } from "./server-routes.ts";

/** What the API is made of. */
export interface AppDependencies {
  readonly manager: IngressManager;
  readonly resolver: InstanceResolver;
  /** Absent: instances come from another source and are read-only here. */
  readonly registry?: WritableRegistry;
  readonly auth: AuthOptions;
  /** Hosts beside localhost and loopback addresses that an open API answers to: listen address, API_ALLOWED_HOSTS. */
  readonly allowedHosts?: readonly string[];
  /** Whether the whole process serves. Default: the manager's own word. */
  readonly readiness?: () => Readiness;
  readonly logger: Logger;
  /** Gatewright's version, shown in /openapi.json. */
  readonly version: string;
  /** Default: `defaultLimits`. */
  readonly limits?: Pick<HttpLimits, "bodyBytes">;
}

/** Makes the REST API. Listens to nothing by itself. */
export function createApp(dependencies: AppDependencies): Express {
  const { manager, auth, logger, limits = defaultLimits } = dependencies;
  const context = { auth, maxBodyBytes: limits.bodyBytes };
  const app = express();
  // Answers carry their own ETags; everything else about a query is read in query.ts.
  app.disable("x-powered-by").disable("etag").set("query parser", false);
  app.enable("strict routing").enable("case sensitive routing");
  app.use(commonHeaders, requestLog(logger));
  app.use(probeRoutes(dependencies.readiness ?? (() => manager.ready())));
  if (auth.secret === undefined || auth.secret === "") app.use(hostGuard(dependencies.allowedHosts ?? []));
  app.use(documentRoutes(dependencies.version));
  app.use(ingressRoutes(manager, context));
  app.use(instanceRoutes(dependencies, context));
  app.use(notFound, errorHandler(logger));
  return app;
}

/** Answers may hold secrets (request_header_auth): nothing but their owner's cache may keep them, and must ask again. */
const commonHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cache-Control", "private, no-cache");
  next();
};

/** One entry at debug level for each answer. The route, not the URL: names and queries are not for logs. */
function requestLog(logger: Logger): RequestHandler {
  return (request, response, next) => {
    const startMs = performance.now();
    response.on("finish", () => {
      logger.debug("request", {
        method: request.method,
        route: (request.route as { path?: string } | undefined)?.path ?? "unknown",
        status: response.statusCode,
        durationMs: Math.round((performance.now() - startMs) * 10) / 10,
      });
    });
    next();
  };
}
