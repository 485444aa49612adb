import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { type Child, startServer } from "../child.ts";

/** Version of Debian's HAProxy; undefined where it is not installed (`apt-get install haproxy`). */
export function haproxyVersion(): string | undefined {
  const { stdout, status } = spawnSync("haproxy", ["-v"], { encoding: "utf8" });
  return status === 0 ? /version (\S+)/.exec(stdout)?.[1] : undefined;
}

/** Starts HAProxy on a free loopback port: one name passed on to one backend, splicing on. */
export async function startHaproxy(
  folder: string,
  name: string,
  backendPort: number,
): Promise<Child & { readonly port: number }> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const file = join(folder, "haproxy.cfg");
  await writeFile(
    file,
    `global
  maxconn 4000
defaults
  mode tcp
  option splice-auto
  timeout connect 30s
  timeout client 1h
  timeout server 1h
frontend in
  bind 127.0.0.1:${port}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend out if { req.ssl_sni -i ${name} }
backend out
  server one 127.0.0.1:${backendPort}
`,
  );
  return { ...(await startServer("haproxy", ["-db", "-f", file])), port };
}
