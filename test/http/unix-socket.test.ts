import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, stat, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { createHttpServer, type HttpServer } from "../../src/http/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { use } from "../support/use.ts";

const folder = use(() => temporaryFolder());
const isRoot = process.getuid?.() === 0;
let made = 0;
const freshPath = (): string => join(folder.path, `${++made}.sock`);

const server = (): HttpServer => createHttpServer((_request, response) => response.end("here"));

const ask = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path: "/", agent: false }, (response) => resolve(text(response)))
      .on("error", reject)
      .end();
  });

const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

/** What a process of another user gets that connects. */
async function askAs(ids: { readonly uid: number; readonly gid: number }, path: string): Promise<string> {
  const program =
    "require('net').connect(process.argv[1]).on('connect',()=>{console.log('in');process.exit()}).on('error',(e)=>console.log(e.code))";
  const child = spawn(process.execPath, ["-e", program, path], {
    ...ids,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return (await text(child.stdout)).trim();
}

/** A socket whose process was killed. */
async function leaveBehind(path: string): Promise<void> {
  const program = "require('net').createServer().listen(process.argv[1],()=>console.log('up'))";
  const child = spawn(process.execPath, ["-e", program, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect((await stat(path)).isSocket()).toBe(true);
}

describe("a Unix socket", () => {
  it("is its owner's alone, and goes with the server", async () => {
    const path = freshPath();
    const one = server();
    await one.listenAt({ path });
    expect(await mode(path)).toBe(0o600);
    expect(await ask(path)).toBe("here");
    await one.close();
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  });

  it("leaves the process the mask that it had", async () => {
    const before = process.umask();
    const one = server();
    await one.listenAt({ path: freshPath() });
    expect(process.umask()).toBe(before);
    await one.close();
  });

  it.skipIf(!isRoot)("is closed to other users, and with a group open to that one", async () => {
    await chmod(folder.path, 0o755);
    const [own, shared] = [freshPath(), freshPath()];
    const [one, other] = [server(), server()];
    await one.listenAt({ path: own });
    await other.listenAt({ path: shared, group: "4321" });
    expect(await mode(shared)).toBe(0o660);
    expect((await stat(shared)).gid).toBe(4321);
    expect(await askAs({ uid: 65534, gid: 4321 }, own)).toBe("EACCES");
    expect(await askAs({ uid: 65534, gid: 4321 }, shared)).toBe("in");
    expect(await askAs({ uid: 65534, gid: 65534 }, shared)).toBe("EACCES");
    await Promise.all([one.close(), other.close()]);
  });

  it("finds a group by its name, and says where there is none", async () => {
    const path = freshPath();
    await expect(server().listenAt({ path, group: "no-such-group" })).rejects.toMatchObject({
      code: "address_unavailable",
      message: expect.stringMatching(/no-such-group.*LISTEN_SOCKET_GROUP/),
    });
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
    const named = server();
    if (isRoot) {
      await named.listenAt({ path, group: "root" });
      expect((await stat(path)).gid).toBe(0);
      await named.close();
    }
  });

  it("takes the place of one that a killed process left", async () => {
    const path = freshPath();
    await leaveBehind(path);
    const one = server();
    await one.listenAt({ path });
    expect(await ask(path)).toBe("here");
    await one.close();
  });

  it("leaves one alone that somebody listens on", async () => {
    const path = freshPath();
    const one = server();
    await one.listenAt({ path });
    await expect(server().listenAt({ path })).rejects.toMatchObject({ code: "address_in_use" });
    expect(await ask(path)).toBe("here");
    await one.close();
  });

  it("is one server's, where several find the same leftover at once", async () => {
    const path = freshPath();
    await leaveBehind(path);
    const servers = Array.from({ length: 8 }, server);
    const ends = await Promise.allSettled(servers.map((one) => one.listenAt({ path })));
    const won = servers.filter((_, at) => ends[at]?.status === "fulfilled");
    expect(won).toHaveLength(1);
    expect(await ask(path)).toBe("here");
    await won[0]?.close();
  });

  it("never removes a file, nor what a link leads to", async () => {
    const [file, link] = [freshPath(), freshPath()];
    await writeFile(file, "kept");
    await symlink(file, link);
    for (const path of [file, link])
      await expect(server().listenAt({ path })).rejects.toMatchObject({
        code: "address_unavailable",
        message: expect.stringContaining("is no socket"),
      });
    expect((await stat(file)).size).toBe(4);
  });

  it("needs its folder", async () => {
    const path = join(folder.path, "none", "api.sock");
    await expect(server().listenAt({ path })).rejects.toMatchObject({
      code: "address_unavailable",
      message: expect.stringMatching(/folder must exist/),
    });
  });
});
