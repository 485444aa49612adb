import { spawn } from "node:child_process";
import { request } from "node:http";
import type { Config } from "../../config.ts";
import type { Logger } from "../../log.ts";

/** How this machine reaches the API. */
interface ApiReach {
  readonly url: string;
  /** Absent: by the URL alone. */
  readonly socketPath?: string | undefined;
}

/** Tells systemd how this process is (sd_notify(3)); nobody where it does not ask. */
export interface ServiceNotifier {
  /** From now on Gatewright serves, and the watchdog is fed for as long as its API answers. */
  ready(api: ApiReach): void;
  /** It ends: what it does until then is not to be taken for hanging. */
  stopping(): void;
}

/**
 * Makes it. Node has no datagram sockets of Unix, so that systemd's own `systemd-notify` sends; it is there wherever systemd is.
 */
export function createNotifier({ service }: Pick<Config, "service">, logger: Logger): ServiceNotifier {
  const { notifySocket, watchdogMs } = service;
  if (notifySocket === undefined) return { ready: () => undefined, stopping: () => undefined };
  let timer: NodeJS.Timeout | undefined;
  const notify = (...args: readonly string[]): void => {
    const env = { PATH: "/usr/bin:/bin", NOTIFY_SOCKET: notifySocket };
    spawn("systemd-notify", args, { env, stdio: "ignore" }).once("error", (error) =>
      logger.warn("systemd cannot be told how Gatewright is", { error }),
    );
  };
  return {
    ready: (api) => {
      notify("--ready", `--pid=${process.pid}`, `--status=API at ${api.socketPath ?? api.url}`);
      if (watchdogMs === undefined) return;
      timer = setInterval(async () => {
        if (await answers(api, watchdogMs / 4)) notify("WATCHDOG=1");
      }, watchdogMs / 3);
    },
    stopping: () => {
      clearInterval(timer);
      notify("STOPPING=1");
    },
  };
}

/** Whether `/ready` has any answer: what it may complain of, such as an instance source that is away, no restart mends. */
function answers({ socketPath, url }: ApiReach, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(
      `${url}/ready`,
      { agent: false, timeout: timeoutMs, ...(socketPath === undefined ? {} : { socketPath }) },
      (response) => {
        response.resume();
        response.on("end", () => resolve(true)).on("error", () => resolve(false));
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("no answer in time"))).on("error", () => resolve(false));
    sent.end();
  });
}
