import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { adminAddress } from "../../src/caddy/admin-address.ts";
import { type AdminClient, createAdminClient } from "../../src/caddy/admin-client.ts";
import type { CaddyProcess } from "../../src/caddy/caddy-process.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import type { CaddyConfig } from "../../src/caddy-json/config.ts";
import { call } from "../support/api.ts";
import { freePort } from "../support/free-port.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { type CaddyFolder, httpApp, makeCaddyFolder, portsOf } from "./caddy-folder.ts";

const secret = "token-of-the-test";
let place: CaddyFolder;
let caddy: CaddyProcess;
let client: AdminClient;

beforeAll(async () => {
  place = await makeCaddyFolder();
  caddy = createCaddyProcess({ ...place, logger: recordingLogger(), prepare: () => place.writeConfig() });
  await caddy.start();
  client = createAdminClient({ adminUrl: place.adminUrl, secrets: [secret] });
});

afterAll(async () => {
  await client.close();
  await caddy.stop();
  await place[Symbol.asyncDispose]();
});

/** Loads a configuration that is not one of ours. */
const load = (apps: object) => client.load(place.config(apps) as CaddyConfig);

describe("load", () => {
  test("replaces the configuration; listeners tells where it listens", async () => {
    const [first, second] = [await freePort(), await freePort()];
    await load(httpApp(`127.0.0.1:${first}`, "one"));
    expect(await portsOf(client)).toEqual([first]);
    expect(await (await fetch(`http://127.0.0.1:${first}`)).text()).toBe("one");
    await load(httpApp(`gatewright/127.0.0.1:${second}`, "two"));
    expect(await portsOf(client)).toEqual([second]);
    await load({});
    expect(await portsOf(client)).toEqual([]);
  });

  test("many times in a row, with questions in between and meanwhile, loses none", async () => {
    const port = await freePort();
    const own = createAdminClient({ adminUrl: place.adminUrl });
    for (let round = 0; round < 50; round++) {
      const loaded = load(httpApp(`127.0.0.1:${port}`, `round ${round}`));
      await Promise.all([own.pushAddresses({ names: {} }), loaded]);
      // Nothing repeats these, which are on connections of their own.
      const ask = () => call(`${place.adminUrl}/gatewright/state`, { headers: { origin: place.adminUrl } });
      const answers = await Promise.all(Array.from({ length: 4 }, ask));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect(await portsOf(client)).toEqual([port]);
    }
    await own.close();
  });

  test("of a configuration that Caddy refuses keeps the old one, and tells Caddy's reason without secrets", async () => {
    const port = await freePort();
    await load(httpApp(`127.0.0.1:${port}`));
    const error = await load({ http: { servers: { main: { [secret]: 1 } } } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: "config_validation_failed",
      message: expect.stringMatching(/^config validation failed: .*unknown field "\[redacted\]"/),
    });
    expect(String((error as Error).cause ?? "")).not.toContain(secret);
    expect(await portsOf(client)).toEqual([port]);
  });

  test.each(["", "gatewright/"])(
    "with a port that another process has: port_in_use, with the address (%j)",
    async (network) => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      await expect(load(httpApp(`${network}127.0.0.1:${port}`))).rejects.toMatchObject({
        code: "port_in_use",
        message: `port already in use: port ${port} is already bound by another process`,
        details: [{ field: `127.0.0.1:${port}` }],
      });
      server.close();
    },
  );
});

test("probe tells the command line of the Caddy there", async () => {
  expect(await client.probe()).toMatchObject({
    kind: "caddy",
    args: [place.binary, "run", "--config", expect.any(String)],
  });
});

test("a Unix socket works too, with mode 0600", async () => {
  await using other = await makeCaddyFolder();
  const socket = adminAddress(`unix/${path.join(other.folder, "admin.sock")}`, 0);
  const admin = { listen: socket.listen, enforce_origin: true, origins: socket.origins };
  const prepare = () => writeFile(path.join(other.folder, "config.json"), JSON.stringify({ admin }));
  const adminUrl = `unix/${socket.socketPath}`;
  const process = createCaddyProcess({ ...other, adminUrl, logger: recordingLogger(), prepare });
  await process.start();
  const overSocket = createAdminClient({ adminUrl });
  const port = await freePort();
  await overSocket.load({ ...other.config(httpApp(`127.0.0.1:${port}`)), admin } as unknown as CaddyConfig);
  expect(await portsOf(overSocket)).toEqual([port]);
  expect((await stat(socket.socketPath ?? "")).mode & 0o777).toBe(0o600);
  await overSocket.close();
  await process.stop();
});

describe("an endpoint that is no healthy Caddy", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function clientOf(answer: RequestListener): Promise<AdminClient> {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    const adminUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const made = createAdminClient({ adminUrl, timeoutMs: 200, loadTimeoutMs: 200, secrets: [secret] });
    cleanups.push(async () => {
      await made.close();
      server.closeAllConnections();
      server.close();
    });
    return made;
  }
  const answers = (status: number, body: string): RequestListener => {
    return (_, response) => response.writeHead(status, { "content-type": "application/json" }).end(body);
  };
  const delta = { from: "a", to: "b", remove: [], upsert: [] };

  test.each([
    [412, `{"error":"the table is at version x"}`, "store_conflict", /the table is at version x/],
    [
      400,
      `{"error":"bad rows","problems":[{"id":"i/0","problem":"no host"}]}`,
      "config_validation_failed",
      /bad rows \(i\/0: no host\)/,
    ],
    [
      400,
      `{"error":"open /var/lib/gatewright/caddy/x.json: no such file"}`,
      "config_validation_failed",
      /: open x\.json: no such file$/,
    ],
    [400, `{"error":"first\\nsecond ${secret}"}`, "config_validation_failed", /: first$/],
    [
      400,
      `{"error":"API token '${secret}' appears invalid"}`,
      "config_validation_failed",
      /'\[redacted\]' appears/,
    ],
    [
      400,
      `{"error":"listen tcp :443: bind: permission denied"}`,
      "port_not_permitted",
      /port 443.*cap_net_bind_service/,
    ],
    [403, `{"error":"host not allowed"}`, "caddy_unavailable", /403: host not allowed/],
    [404, "404 page not found\n", "caddy_modules_missing", /\/gatewright/],
    [500, "{}", "caddy_unavailable", /500/],
    [502, "<html>", "caddy_unavailable", /502/],
  ])("answer %i %s becomes %s", async (status, body, code, message) => {
    const made = await clientOf(answers(status, body));
    await expect(made.patchTable(delta)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test.each([["{}"], ["[]"], ["null"], ["hello"]])(
    "running() does not take %s for versions",
    async (body) => {
      const made = await clientOf(answers(200, body));
      await expect(made.running()).rejects.toMatchObject({ code: "caddy_unavailable" });
    },
  );

  test("no answer in time: caddy_unavailable, and the request is not sent again", async () => {
    let requests = 0;
    const made = await clientOf(() => {
      requests++;
    });
    await expect(made.load({} as CaddyConfig)).rejects.toMatchObject({ code: "caddy_unavailable" });
    expect(requests).toBe(1);
  });

  test("a connection that closes instead of answering: a versioned change is not sent again, all else once", async () => {
    let requests = 0;
    const made = await clientOf((request) => {
      requests++;
      request.socket.destroy();
    });
    await expect(made.patchTable(delta)).rejects.toMatchObject({ code: "caddy_unavailable" });
    expect(requests).toBe(1);
    await expect(made.running()).rejects.toMatchObject({ code: "caddy_unavailable" });
    expect(requests).toBe(3);
    await expect(made.pushAddresses({ names: {} })).rejects.toMatchObject({ code: "caddy_unavailable" });
    expect(requests).toBe(5);
  });

  test("an answer that breaks off: caddy_unavailable", async () => {
    const made = await clientOf((_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("{");
      setImmediate(() => response.destroy());
    });
    await expect(made.patchTable(delta)).rejects.toMatchObject({ code: "caddy_unavailable" });
  });

  test("probe tells nobody from somebody else", async () => {
    const nobody = createAdminClient({ adminUrl: `http://127.0.0.1:${await freePort()}`, timeoutMs: 200 });
    expect(await nobody.probe()).toEqual({ kind: "nothing" });
    await expect(nobody.running()).rejects.toMatchObject({ code: "caddy_unavailable" });
    await nobody.close();
    expect(await (await clientOf(answers(200, "{}"))).probe()).toEqual({ kind: "other" });
    const silent = createTcpServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const hung = createAdminClient({
      adminUrl: `127.0.0.1:${(silent.address() as AddressInfo).port}`,
      timeoutMs: 200,
    });
    expect(await hung.probe()).toEqual({ kind: "other" });
    await hung.close();
    silent.close();
  });

  test("a missing Unix socket is nobody", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "gatewright-socket-"));
    const made = createAdminClient({ adminUrl: `unix/${folder}/none.sock` });
    expect(await made.probe()).toEqual({ kind: "nothing" });
    await made.close();
    await rm(folder, { recursive: true });
  });
});
