import { spawnSync } from "node:child_process";

/** Version of a program of the system as it tells it (`haproxy -v`); undefined where it is not installed. */
export function installedVersion(program: "haproxy" | "nginx"): string | undefined {
  const { stdout, stderr, status } = spawnSync(program, ["-v"], { encoding: "utf8" });
  return status === 0 ? /(?:version |nginx\/)(\S+)/.exec(stdout + stderr)?.[1] : undefined;
}
