import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { adminAddress } from "../../src/caddy/admin-address.ts";
import { findRunningCaddy } from "../../src/caddy/running-caddy.ts";
import { builtCaddy } from "../support/caddy-binary.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { freePort } from "../support/free-port.ts";
import { startLoadedCaddy } from "../support/loaded-caddy.ts";
import { MemoryCaddy } from "../support/memory-caddy.ts";
import { until } from "../support/until.ts";
import { caddyApiContract } from "./caddy-api.contract.ts";

caddyApiContract("a Caddy in memory", async () => {
  const caddy = new MemoryCaddy();
  let port = 10_000;
  return {
    api: caddy,
    settings: compilerSettings(),
    freePort: async () => port++,
    occupy: async (taken) => void caddy.takenPorts.add(taken),
    kill: async () => caddy.kill(),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

caddyApiContract("the real Caddy", async () => {
  const caddy = await startLoadedCaddy();
  const { listen, origins } = adminAddress("127.0.0.1", caddy.adminPort);
  const others: Server[] = [];
  return {
    api: caddy.api,
    settings: compilerSettings({ folder: caddy.folder, admin: { listen, origins } }),
    freePort,
    occupy: async (taken) => {
      const server = createServer().listen(taken, "127.0.0.1");
      others.push(server);
      await once(server, "listening");
    },
    kill: async () => {
      const place = { folder: caddy.folder, binary: await builtCaddy() };
      await caddy.unwatch();
      const found = findRunningCaddy(place);
      if (found !== undefined) process.kill(found.pid, "SIGKILL");
      await until(() => findRunningCaddy(place) === undefined);
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of others) server.close();
      await caddy[Symbol.asyncDispose]();
    },
  };
});
