import type { HandlerRoute, PolicyHandler } from "./handler-json.ts";

/** Ids of the Caddy modules that handlers are made of, handlers inside of them included. */
export function modulesOf(handlers: readonly PolicyHandler[]): readonly string[] {
  return [...new Set(handlers.flatMap(moduleIds))].sort();
}

function moduleIds(handler: PolicyHandler): string[] {
  const own = `http.handlers.${handler.handler}`;
  switch (handler.handler) {
    case "subroute":
      return [own, ...routeModules(handler.routes)];
    case "reverse_proxy":
      return [
        own,
        `http.reverse_proxy.upstreams.${handler.dynamic_upstreams.source}`,
        ...handler.handle_response.flatMap(({ routes }) => routeModules(routes)),
      ];
    case "authentication":
      return [
        own,
        "http.authentication.providers.http_basic",
        `http.authentication.hashes.${handler.providers.http_basic.hash.algorithm}`,
      ];
    case "encode":
      return [own, ...handler.prefer.map((encoding) => `http.encoders.${encoding}`)];
    default:
      return [own];
  }
}

function routeModules(routes: readonly HandlerRoute[]): string[] {
  return routes.flatMap(({ match = [], handle }) => [
    ...match.flatMap((matcher) => Object.keys(matcher).map((name) => `http.matchers.${name}`)),
    ...handle.flatMap(moduleIds),
  ]);
}
