import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { call } from "./api.ts";
import { freePort } from "./free-port.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

/** Both are in Debian's package `prometheus`, which `.ci/run` installs. */
export const hasPrometheus = ["prometheus", "promtool"].every(
  (program) => spawnSync(program, ["--version"]).error === undefined,
);
if (!hasPrometheus) console.warn("SKIPPED: prometheus and promtool are not installed");

/** A series and its value now. */
export interface Sampled {
  readonly metric: { readonly [label: string]: string };
  readonly value: number;
}

/** A Prometheus that scrapes one target every two seconds. */
export interface Prometheus extends AsyncDisposable {
  /** Answers an expression. Throws where Prometheus refuses it. */
  query(expression: string): Promise<readonly Sampled[]>;
  /** Health and last error of each rule. */
  rules(): Promise<
    readonly { readonly name: string; readonly health: string; readonly lastError?: string }[]
  >;
}

/** Starts one on a free loopback port, with rules from a file where one is given. */
export async function startPrometheus(target: string, rules?: string): Promise<Prometheus> {
  const folder = await temporaryFolder();
  const port = await freePort();
  const config = {
    global: { scrape_interval: "2s", scrape_timeout: "2s", evaluation_interval: "1s" },
    ...(rules === undefined ? {} : { rule_files: [rules] }),
    scrape_configs: [{ job_name: "gatewright", static_configs: [{ targets: [target] }] }],
  };
  // Every JSON is YAML.
  const file = join(folder.path, "prometheus.yml");
  await writeFile(file, JSON.stringify(config));
  const child = spawn(
    "prometheus",
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder.path, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  const url = `http://127.0.0.1:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${output}`);
    return (await fetch(`${url}/-/ready`)).status === 200;
  });
  const ask = async <Data>(path: string): Promise<Data> => {
    const { body, text } = await call<{ readonly status: string; readonly data: Data }>(
      `${url}/api/v1/${path}`,
    );
    if (body.status !== "success") throw new Error(text);
    return body.data;
  };
  return {
    query: async (expression) => {
      const { result } = await ask<{
        readonly result: readonly { metric: Sampled["metric"]; value: [number, string] }[];
      }>(`query?query=${encodeURIComponent(expression)}`);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    rules: async () => {
      const { groups } = await ask<{
        readonly groups: readonly { readonly rules: Awaited<ReturnType<Prometheus["rules"]>> }[];
      }>("rules");
      return groups.flatMap((group) => group.rules);
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      await folder[Symbol.asyncDispose]();
    },
  };
}
