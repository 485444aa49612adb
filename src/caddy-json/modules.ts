import type { HandlerRoute, PolicyHandler, SubrouteHandler } from "./handlers.ts";

/** Ids of the Caddy modules of handlers, those inside of subroutes included. */
export function modulesOf(handlers: readonly PolicyHandler[]): readonly string[] {
  return handlers.flatMap((handler) => [
    `http.handlers.${handler.handler}`,
    ...(isSubroute(handler) ? handler.routes.flatMap(routeModules) : []),
  ]);
}

function isSubroute(handler: PolicyHandler): handler is SubrouteHandler {
  return handler.handler === "subroute";
}

function routeModules({ match = [], handle }: HandlerRoute): readonly string[] {
  const matchers = match.flatMap((matcher) => Object.keys(matcher));
  return [...matchers.map((name) => `http.matchers.${name}`), ...modulesOf(handle)];
}
