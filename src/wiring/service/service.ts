import { execFile } from "node:child_process";
import { access, chown, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { renderUnit, SERVICE, SETTINGS, SETTINGS_FILE, SYSUSERS } from "./unit.ts";

const UNIT_FILE = `/etc/systemd/system/${SERVICE}.service`;
const SYSUSERS_FILE = `/etc/sysusers.d/${SERVICE}.conf`;

export interface ServiceOptions {
  /** The program and its arguments before `up`; absolute paths. */
  readonly command: readonly string[];
  /** Folder of a system that does not run, such as an image that is made; its systemd is not called. Default: this one. */
  readonly root?: string | undefined;
}

/** Why the service cannot be installed or removed, and the way out. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
}

const run = promisify(execFile);

/**
 * Writes the unit, the user and the file of settings, enables the unit and starts it. Settings that are there stay. Returns what was
 * done, in sentences. Throws a ServiceError.
 */
export async function installService({ command, root }: ServiceOptions): Promise<readonly string[]> {
  refuseHomes(command);
  const inRoot = (file: string): string => path.join(root ?? "/", file);
  if (root === undefined) await refuseOthers();
  await write(inRoot(UNIT_FILE), renderUnit({ command }));
  await write(inRoot(SYSUSERS_FILE), SYSUSERS);
  const isNew = await access(inRoot(SETTINGS_FILE)).then(
    () => false,
    () => true,
  );
  if (isNew) await write(inRoot(SETTINGS_FILE), SETTINGS, 0o640);
  const done = [`${UNIT_FILE} is written; its settings are in ${SETTINGS_FILE}.`];
  if (root !== undefined) return done;
  await call("systemd-sysusers", SYSUSERS_FILE);
  const { stdout: group } = await run("id", ["-g", SERVICE]);
  await chown(SETTINGS_FILE, 0, Number(group));
  await call("systemctl", "daemon-reload");
  await call("systemctl", "enable", SERVICE);
  await call("systemctl", "restart", SERVICE);
  return [...done, `The service ${SERVICE} runs, and starts with the machine: systemctl status ${SERVICE}`];
}

/** Stops and removes the unit. Data, settings and the user stay; `done` says how they go. Caddy is left to the caller. */
export async function uninstallService(root?: string): Promise<readonly string[]> {
  if (root === undefined) {
    await refuseOthers();
    await call("systemctl", "disable", "--now", SERVICE);
  }
  await rm(path.join(root ?? "/", UNIT_FILE), { force: true });
  await rm(path.join(root ?? "/", SYSUSERS_FILE), { force: true });
  if (root === undefined) await call("systemctl", "daemon-reload");
  return [
    `The service ${SERVICE} is removed. Data and settings stay; to remove them too: rm -r /var/lib/${SERVICE} /var/cache/${SERVICE} /etc/${SERVICE} && userdel ${SERVICE}`,
  ];
}

/** What systemd says of the service; `active` and its like. */
export async function serviceStatus(): Promise<{ readonly state: string; readonly text: string }> {
  const ask = (...args: readonly string[]) =>
    run("systemctl", args).then(
      ({ stdout }) => stdout,
      // It ends with a code of its own for each state.
      ({ stdout = "", stderr = "" }: { stdout?: string; stderr?: string }) => stdout || stderr,
    );
  const state = (await ask("is-active", SERVICE)).trim();
  return { state, text: (await ask("status", "--no-pager", "--lines=10", SERVICE)).trim() };
}

/** The service has a user of its own, who sees no home folder. */
function refuseHomes(command: readonly string[]): void {
  const hidden = command.find((word) => /^\/(?:home|root|run\/user|tmp|var\/tmp)\//.test(word));
  if (hidden === undefined) return;
  throw new ServiceError(
    `${hidden} is in a folder that services do not see; install Gatewright and Node for all users (npm install --global gatewright), and call that one`,
  );
}

async function refuseOthers(): Promise<void> {
  if (process.getuid?.() !== 0) throw new ServiceError("Only root installs and removes services; use sudo");
  const runs = await access("/run/systemd/system").then(
    () => true,
    () => false,
  );
  if (!runs)
    throw new ServiceError(
      "This machine is not run by systemd; use `gatewright up` under its own supervisor, or --root for an image",
    );
}

async function write(file: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  await writeFile(file, text, { mode });
}

async function call(command: string, ...args: readonly string[]): Promise<void> {
  await run(command, args).catch((cause: { stderr?: string; message: string }) => {
    const reason = (cause.stderr ?? "").trim() || cause.message;
    throw new ServiceError(`\`${[command, ...args].join(" ")}\` failed: ${reason}`, { cause });
  });
}
