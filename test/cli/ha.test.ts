import { expect, it } from "vitest";
import { CliHome } from "../support/run-cli.ts";
import { use } from "../support/use.ts";

const home = use(async () => new CliHome());

const keepalived = (...args: string[]) => home.run(["ha", "keepalived", ...args]);

it("ha keepalived writes a configuration for each family, with other gateways by name where asked", async () => {
  const { code, stdout } = await keepalived(
    ...["--address", "192.0.2.10/24", "--address", "2001:db8::10/64", "--address", "192.0.2.11/24"],
    ...["--interface", "eth0", "--priority", "150", "--router-id", "7", "--peer", "192.0.2.2"],
  );
  expect(code).toBe(0);
  const [, four = "", six = ""] = stdout.split("vrrp_instance ");
  expect(four).toMatch(/192\.0\.2\.10\/24\n\s+192\.0\.2\.11\/24/);
  expect(four).toMatch(/unicast_peer \{\n\s+192\.0\.2\.2\n/);
  expect(four).toContain("priority 150\n");
  expect(four).toContain("virtual_router_id 7\n");
  expect(six).toContain("2001:db8::10/64");
  expect(six).not.toContain("unicast_peer");
  expect(stdout).toContain("http://127.0.0.1:8080/ready");
});

it("ha keepalived tells everything that is wrong, and writes nothing", async () => {
  const { code, stdout, stderr } = await keepalived(
    ...["--address", "192.0.2.10", "--interface", "eth0 }", "--priority", "255", "--router-id", "x"],
    ...["--peer", "gateway-2", "--ready-url", 'http://a/"; reboot "'],
  );
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  for (const part of [
    "--address 192.0.2.10:",
    "--interface",
    "--priority",
    "--router-id",
    "--peer",
    "--ready-url",
  ])
    expect(stderr).toContain(part);
});
