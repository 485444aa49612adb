import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { type Child, startServer } from "../child.ts";
import { addressOf, hostOf } from "../seed.ts";

/**
 * nginx on a free loopback port with a `server` for each host of the seed, as Nginx Proxy Manager writes them, and an
 * `upstream` that keeps connections for each instance's address.
 */
export async function startNginxHosts(
  folder: string,
  size: number,
  backendPort: number,
): Promise<Child & { readonly port: number }> {
  const port = await freePort();
  const numbers = Array.from({ length: size }, (_, number) => number);
  const addresses = [...new Set(numbers.map(addressOf))];
  const config = [
    "daemon off;",
    `worker_processes ${availableParallelism()};`,
    `pid ${join(folder, "nginx.pid")};`,
    `error_log ${join(folder, "error.log")} crit;`,
    "events { worker_connections 4096; }",
    "http {",
    "access_log off;",
    "keepalive_requests 1000000000;",
    "server_names_hash_max_size 131072;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (kind) => `${kind}_temp_path ${join(folder, kind)};`,
    ),
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;',
    "proxy_set_header X-Forwarded-For $remote_addr;",
    ...addresses.map(
      (address) =>
        `upstream ${address} { server ${address}:${backendPort}; keepalive 256; keepalive_requests 1000000000; }`,
    ),
    ...numbers.map(
      (number) =>
        `server { listen 127.0.0.1:${port}; server_name ${hostOf(number)}; location / { proxy_pass http://${addressOf(number)}; } }`,
    ),
    "}",
  ];
  await mkdir(folder, { recursive: true });
  const file = join(folder, "nginx.conf");
  await writeFile(file, `${config.join("\n")}\n`);
  return { ...(await startServer("nginx", ["-c", file, "-p", folder])), port };
}
