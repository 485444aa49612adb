import { execFile } from "node:child_process";
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import manifest from "../../package.json" with { type: "json" };
import { renderUnit, SETTINGS, SYSUSERS } from "../../src/wiring/service/unit.ts";
import { top } from "../steps.ts";
import type { CaddyPackage } from "./caddy-packages.ts";

const run = promisify(execFile);
const HOME = "/usr/lib/gatewright";
/** Debian's own Node is older than ours may be; so ours comes along. */
const NODE = `${HOME}/node`;
/** The time of every file: two builds make the same bytes (https://reproducible-builds.org/docs/source-date-epoch/). */
const EPOCH_SECONDS = 499_162_500;

/** Writes a package for Debian: the program, a Caddy, a Node, the unit, settings and a man page. Returns its file. */
export async function writeDebianPackage(
  out: string,
  { arch, cpu, name }: CaddyPackage,
  npm: string,
): Promise<string> {
  const root = path.join(out, `debian-${arch}`);
  const at = (file: string): string => path.join(root, file);
  await cp(path.join(npm, "gatewright"), at(HOME), { recursive: true });
  await cp(path.join(npm, path.basename(name)), at(`${HOME}/node_modules/${name}`), { recursive: true });
  await copyFile(await nodeFor(cpu), at(NODE));
  const { scripts, texts } = filesOf();
  for (const [file, text] of Object.entries({ ...texts, ...scripts })) {
    await mkdir(path.dirname(at(file)), { recursive: true });
    await writeFile(at(file), text);
  }
  const manual = at("/usr/share/man/man1/gatewright.1.gz");
  await mkdir(path.dirname(manual), { recursive: true });
  await writeFile(manual, gzipSync(await manPage(), { level: 9 }));
  await mkdir(at("/DEBIAN"), { recursive: true });
  for (const [file, text] of Object.entries(controlFiles(arch))) await writeFile(at(`/DEBIAN/${file}`), text);
  await fixModes(root, [
    NODE,
    `${HOME}/node_modules/${name}/caddy`,
    ...Object.keys(scripts),
    ...maintainerScripts,
  ]);
  const file = path.join(out, `gatewright_${manifest.version}_${arch}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(EPOCH_SECONDS) };
  await run("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build", root, file], { env });
  await rm(root, { recursive: true });
  return file;
}

/** The pinned Node of a platform: the one that is installed here, or the package of npm for it. */
async function nodeFor(cpu: CaddyPackage["cpu"]): Promise<string> {
  if (cpu === process.arch) return path.join(top, "node_modules/node/bin/node");
  const folder = path.join(top, ".cache", `node-linux-${cpu}-${manifest.devDependencies.node}`);
  await mkdir(folder, { recursive: true });
  const { stdout } = await run(
    "npm",
    ["pack", "--silent", `node-linux-${cpu}@${manifest.devDependencies.node}`],
    {
      cwd: folder,
    },
  );
  await run("tar", ["-xzf", stdout.trim()], { cwd: folder });
  return path.join(folder, "package/bin/node");
}

function filesOf() {
  return {
    scripts: { "/usr/bin/gatewright": `#!/bin/sh\nexec ${NODE} ${HOME}/bin/gatewright.mjs "$@"\n` },
    texts: {
      "/usr/lib/systemd/system/gatewright.service": renderUnit({
        command: [NODE, `${HOME}/bin/gatewright.mjs`],
      }),
      "/usr/lib/sysusers.d/gatewright.conf": SYSUSERS,
      "/etc/gatewright/gatewright.env": SETTINGS,
      "/usr/share/doc/gatewright/copyright": `Gatewright is under the licence Apache-2.0 (/usr/share/common-licenses/Apache-2.0).\nWhat comes with it: ${HOME}/THIRD_PARTY_LICENSES.txt and the SBOMs beside it; Node.js is under the MIT licence.\n`,
    },
  };
}

/** The page of the command line as roff. */
async function manPage(): Promise<string> {
  const page = await readFile(path.join(top, "docs/cli.md"), "utf8");
  const titled = page.replace(
    /^# .*$/m,
    'gatewright 1 "" Gatewright\n===\n\n# NAME\n\ngatewright - ingress manager for virtual machines\n\n# DESCRIPTION',
  );
  const running = run("go", ["tool", "go-md2man"], { cwd: import.meta.dirname });
  running.child.stdin?.end(titled);
  return (await running).stdout;
}

const maintainerScripts = ["/DEBIAN/postinst", "/DEBIAN/prerm", "/DEBIAN/postrm"];

function controlFiles(arch: string): { readonly [file: string]: string } {
  return {
    control: `Package: gatewright
Version: ${manifest.version}
Architecture: ${arch}
Maintainer: Gatewright <gatewright@localhost>
Section: net
Priority: optional
Depends: libc6 (>= 2.28), libstdc++6, adduser
Description: ${manifest.description.split(":")[0]}
 A REST API in front of Caddy, with certificates by ACME and internal DNS.
`,
    conffiles: "/etc/gatewright/gatewright.env\n",
    postinst: `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  adduser --system --group --quiet --home /var/lib/gatewright --no-create-home gatewright
  chown root:gatewright /etc/gatewright/gatewright.env
  chmod 0640 /etc/gatewright/gatewright.env
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable gatewright
    systemctl restart gatewright
  fi
fi
`,
    // An upgrade leaves both running: the newer Gatewright has its Caddy take over.
    prerm: `#!/bin/sh
set -e
if [ "$1" = remove ]; then
  if [ -d /run/systemd/system ]; then systemctl disable --now gatewright; fi
  DATA_DIR=/var/lib/gatewright /usr/bin/gatewright stop --caddy --yes || true
fi
# What Node has compiled of it for who called the command line as root.
rm -rf ${HOME}/.cache
`,
    postrm: `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then rm -rf /var/lib/gatewright /var/cache/gatewright /etc/gatewright; fi
`,
  };
}

/** Modes and times that do not depend on who builds. */
async function fixModes(root: string, executables: readonly string[]): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const file = path.join(entry.parentPath, entry.name);
    const isExecutable = entry.isDirectory() || executables.includes(file.slice(root.length));
    await chmod(file, isExecutable ? 0o755 : 0o644);
    await utimes(file, EPOCH_SECONDS, EPOCH_SECONDS);
  }
}
