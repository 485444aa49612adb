import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { installService, uninstallService } from "../../src/wiring/service/service.ts";
import { renderUnit } from "../../src/wiring/service/unit.ts";
import { runTool } from "../support/foreign-tools.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const command = [process.execPath, "/usr/lib/node_modules/gatewright/bin/gatewright.mjs"];
const hasSystemd = await promisify(execFile)("systemd-analyze", ["--version"]).then(
  () => true,
  () => false,
);
if (!hasSystemd) console.warn("SKIPPED: systemd-analyze is not installed");

/** The unit in a file that systemd-analyze takes. */
async function unitIn(folder: string): Promise<string> {
  const file = join(folder, "gatewright.service");
  await writeFile(file, renderUnit({ command }));
  return file;
}

test.skipIf(!hasSystemd)("systemd finds nothing wrong with the unit", async () => {
  await using folder = await temporaryFolder();
  const { code, output } = await runTool("systemd-analyze", ["verify", await unitIn(folder.path)]);
  expect([code, output]).toEqual([0, ""]);
});

test.skipIf(!hasSystemd)("what the service is exposed to is 2.5 at the most", async () => {
  await using folder = await temporaryFolder();
  const file = await unitIn(folder.path);
  const { code, output } = await runTool("systemd-analyze", [
    "security",
    "--offline=true",
    "--threshold=25",
    "--no-pager",
    file,
  ]);
  const exposure = /Overall exposure level for gatewright\.service: (\d+\.\d+)/.exec(output)?.[1];
  expect(Number(exposure)).toBeLessThanOrEqual(2.5);
  expect(code).toBe(0);
});

test("words of the command reach the program as they are", () => {
  const unit = renderUnit({ command: ['/opt/a b/no"de', "/opt/100%/$x"] });
  expect(unit).toContain('ExecStart="/opt/a b/no\\"de" /opt/100%%/$$x up\n');
});

test("an installation into an image keeps the settings that are there, and the removal leaves them", async () => {
  await using root = await temporaryFolder();
  const at = (file: string) => join(root.path, file);
  await installService({ command, root: root.path });
  expect((await stat(at("etc/gatewright/gatewright.env"))).mode & 0o777).toBe(0o640);
  await writeFile(at("etc/gatewright/gatewright.env"), "HTTP_PORT=8000\n");
  await installService({ command, root: root.path });
  expect(await readFile(at("etc/gatewright/gatewright.env"), "utf8")).toBe("HTTP_PORT=8000\n");
  expect(await readFile(at("etc/systemd/system/gatewright.service"), "utf8")).toBe(renderUnit({ command }));
  await uninstallService(root.path);
  await expect(stat(at("etc/systemd/system/gatewright.service"))).rejects.toThrow("ENOENT");
  expect(await readFile(at("etc/gatewright/gatewright.env"), "utf8")).toBe("HTTP_PORT=8000\n");
});

test.each([
  "/root/.npm/_npx/1/gatewright.mjs",
  "/home/me/gatewright/bin/gatewright.mjs",
  "/tmp/gatewright.mjs",
])("a program that services do not see is refused: %s", async (program) => {
  await using root = await temporaryFolder();
  await expect(installService({ command: ["/usr/bin/node", program], root: root.path })).rejects.toThrow(
    /npm install --global gatewright/,
  );
  await expect(stat(join(root.path, "etc"))).rejects.toThrow("ENOENT");
});
