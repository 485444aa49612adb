import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { type Child, startServer } from "../child.ts";
import { addressOf, hostOf } from "../seed.ts";

type Listening = Child & { readonly port: number };

/** HAProxy on a free loopback port that passes TLS for one name on to one backend, splicing on. */
export function startHaproxyPassthrough(
  folder: string,
  name: string,
  backendPort: number,
): Promise<Listening> {
  return startHaproxy(folder, {}, (port) => [
    "global",
    "  maxconn 4000",
    "defaults",
    "  mode tcp",
    "  option splice-auto",
    ...timeouts,
    "frontend in",
    `  bind 127.0.0.1:${port}`,
    "  tcp-request inspect-delay 5s",
    "  tcp-request content accept if { req.ssl_hello_type 1 }",
    `  use_backend out if { req.ssl_sni -i ${name} }`,
    "backend out",
    `  server one 127.0.0.1:${backendPort}`,
  ]);
}

/** HAProxy on a free loopback port with a map from each host of the seed to the backend of its instance's address. */
export function startHaproxyHosts(folder: string, size: number, backendPort: number): Promise<Listening> {
  const numbers = Array.from({ length: size }, (_, number) => number);
  const backends = new Set(numbers.map(addressOf));
  const hosts = numbers.map((number) => `${hostOf(number)} ${addressOf(number)}`).join("\n");
  return startHaproxy(folder, { "hosts.map": hosts }, (port) => [
    "global",
    "  maxconn 4000",
    `  nbthread ${availableParallelism()}`,
    "defaults",
    "  mode http",
    "  http-reuse always",
    ...timeouts,
    "frontend in",
    `  bind 127.0.0.1:${port}`,
    `  use_backend %[req.hdr(host),host_only,lower,map(${join(folder, "hosts.map")})]`,
    ...[...backends].flatMap((address) => [`backend ${address}`, `  server one ${address}:${backendPort}`]),
  ]);
}

const timeouts = ["  timeout connect 30s", "  timeout client 1h", "  timeout server 1h"];

async function startHaproxy(
  folder: string,
  files: { readonly [name: string]: string },
  config: (port: number) => readonly string[],
): Promise<Listening> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const file = join(folder, "haproxy.cfg");
  const all = { ...files, "haproxy.cfg": config(port).join("\n") };
  for (const [name, text] of Object.entries(all)) await writeFile(join(folder, name), `${text}\n`);
  return { ...(await startServer("haproxy", ["-db", "-f", file])), port };
}
