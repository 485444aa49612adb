import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { debianTree } from "../support/debian-tree.ts";
import { startPodman } from "../support/podman.ts";
import { signToken } from "../support/sign-token.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { use } from "../support/use.ts";
import { useRelease } from "./release.ts";

const top = resolve(import.meta.dirname, "../..");
const why =
  process.env["IMAGE_TESTS"] === undefined ? "IMAGE_TESTS=1 runs the tests of the image, as root" : undefined;

/** What the image begins with stands in for images of registries, which not every machine reaches. */
const images = ["--build-arg", "SHELL_IMAGE=localhost/shell", "--build-arg", "NODE_IMAGE=localhost/node"];
const JWT_SECRET = "a-key-for-the-tokens-of-callers-".repeat(2);

/** Added to compose.yaml: an instance whose image need not be fetched. */
const override = `services:
  gatewright:
    image: localhost/gatewright
  web-1:
    image: localhost/node
    command: ["/nodejs/bin/node", "-e", "require('http').createServer((q, s) => s.end('sample')).listen(3000)"]
`;

describe.skipIf(why !== undefined)(`the image${why === undefined ? "" : ` (${why})`}`, () => {
  const release = useRelease();
  const folder = use(() => temporaryFolder());
  const engine = use(() => startPodman());
  const api = async (method: string, path: string, body?: object) => {
    const token = signToken(JWT_SECRET, {
      sub: "ci",
      permissions: ["ingress:read", "ingress:write", "instance:write"],
    });
    const args = ["--header", `authorization: Bearer ${token}`, "--header", "content-type: application/json"];
    const sent = body === undefined ? [] : ["--data", JSON.stringify(body)];
    return engine.beside(
      ...["curl", "--silent", "--max-time", "5", "--request", method, ...args, ...sent],
      ...["--write-out", "%{http_code}", `http://127.0.0.1:8080${path}`],
    );
  };
  const visit = (host: string) =>
    engine.beside("curl", "--silent", "--max-time", "5", "--header", `host: ${host}`, "http://127.0.0.1/");
  const compose = (...args: readonly string[]) =>
    engine.compose(
      folder.path,
      { JWT_SECRET },
      ...["-p", "test", "-f", "compose.yaml", "-f", "override.yaml", ...args],
    );
  const container = "test_gatewright_1";

  beforeAll(async () => {
    for (const name of ["Dockerfile", ".dockerignore", "compose.yaml"])
      await copyFile(join(top, name), join(folder.path, name));
    await writeFile(join(folder.path, "override.yaml"), override);
    await cp(join(release.out, "npm"), join(folder.path, "dist/npm"), { recursive: true });
    const node = join(folder.path, "node");
    await mkdir(node);
    await copyFile(await debianTree("libraries"), join(node, "tree.tar"));
    await copyFile(process.execPath, join(node, "node"));
    await writeFile(join(node, "passwd"), "nonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n");
    const steps = ["ADD tree.tar /", "COPY passwd /etc/passwd", "COPY node /nodejs/bin/node", "USER 65532"];
    await writeFile(
      join(node, "Dockerfile"),
      ["FROM scratch", ...steps, "WORKDIR /home/nonroot", ""].join("\n"),
    );
    const build = ["build", "--isolation", "chroot", "--format", "docker", "--ulimit", "nofile=4096:4096"];
    await engine.podman("import", await debianTree("shell"), "localhost/shell");
    await engine.podman(...build, "--tag", "localhost/node", node);
    await engine.podman(...build, ...images, "--tag", "localhost/gatewright", folder.path);
  }, 300_000);

  test("serves a request as compose.yaml runs it: no root, no shell, nothing to write but its data", async () => {
    await compose("up", "-d");
    await until(async () => (await api("GET", "/ready").catch(() => "")).endsWith("200"), 30_000);
    const format = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}";
    expect(await engine.podman("inspect", "--format", format, container)).toBe("65532 true []");
    await expect(engine.podman("exec", container, "/bin/sh", "-c", "true")).rejects.toThrow(/no such file/i);
    await engine.podman("healthcheck", "run", container);

    expect(await api("PUT", "/instances/web-1", { network: { ip: "172.30.0.10" } })).toMatch(/201$/);
    const rules = [
      { match: { hostname: "shop.test", port: 8000 }, target: { instance: "web-1", port: 3000 } },
    ];
    expect(await api("POST", "/ingresses", { name: "shop", rules })).toMatch(/201$/);
    expect(await visit("shop.test")).toBe("sample");
  }, 120_000);

  test("ends with all it has started at SIGTERM, and finds its data again", async () => {
    // SIGTERM, and SIGKILL after the time, which would be the code 137. Whatever ran in the container is gone then.
    await engine.podman("stop", "--time", "30", container);
    expect(await engine.podman("inspect", "--format", "{{.State.ExitCode}}", container)).toBe("0");
    await expect(visit("shop.test")).rejects.toThrow();
    await engine.podman("start", container);
    await until(async () => (await visit("shop.test").catch(() => "")) === "sample", 30_000);
  }, 120_000);

  test("a container in its place serves what the one of before did", async () => {
    await engine.podman("rm", "--force", "--time", "10", container);
    await compose("up", "-d");
    await until(async () => (await visit("shop.test").catch(() => "")) === "sample", 30_000);
  }, 120_000);
});
