import { expect, it } from "vitest";
import { clientOf } from "../../src/http/client.ts";

it.each([
  ["192.0.2.1", "::ffff:192.0.2.1"],
  ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"],
  ["2001:db8::1", "2001:db8:0:0:1::"],
])("counts %s and %s as one client", (one, other) => {
  expect(clientOf(one)).toBe(clientOf(other));
});

it.each([
  ["192.0.2.1", "192.0.2.2"],
  ["2001:db8:1:2::1", "2001:db8:1:3::1"],
  ["2001:db8::1", "2001:db8:0:100::1"],
  ["::1", "127.0.0.1"],
])("tells %s and %s apart", (one, other) => {
  expect(clientOf(one)).not.toBe(clientOf(other));
});

it("names networks as people write them", () => {
  expect(clientOf("2001:db8:0:1:2::3")).toBe("2001:db8:0:1::/64");
});

it.each([undefined, "", "a socket"])("knows of %j no address", (address) => {
  expect(clientOf(address)).toBe("");
});
